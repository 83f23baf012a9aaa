"""Three ways of serving the same requests: the same tokens, and figures that are judged as they should be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.__main__ import cli
from loadtests.generation import comparison, modes, subject
from loadtests.generation.comparison import CONTINUOUS, ONE, STATIC, TARGETS, Comparison, Plan
from loadtests.generation.figures import Figures
from loadtests.generation.modes import Batches
from loadtests.generation.trace import Request, poisson
from service.bundle import BundleError
from tests.support import bundles

PLAIN = Figures(1000, 1000, 10, 20, 1, 2, 5)
FOUND = Comparison(
    bare=PLAIN,
    full={ONE: PLAIN, STATIC: PLAIN, CONTINUOUS: replace(PLAIN, tokens_per_s=4000)},
    loaded={ONE: PLAIN, STATIC: replace(PLAIN, first_p99_ms=100), CONTINUOUS: PLAIN},
    loaded_rate=10,
    own_share=0.1,
)


@pytest.mark.parametrize("write", [bundles.write_generator, bundles.write_translator])
def test_every_way_gives_the_same_tokens(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    tested = subject.load(write(tmp_path), 40, threads=1, seed=1)
    assert len({(len(request.prompt), request.max_tokens) for request in tested.requests}) > 10
    trace = poisson(tested.requests, 1e6, seed=1)
    alone = [each.tokens for each in modes.one_at_a_time(tested, trace)]
    assert [each.tokens for each in modes.bare_loop(tested, trace)] == alone
    assert [each.tokens for each in modes.static_batches(tested, trace, Batches(rows=7))] == alone
    assert [each.tokens for each in modes.continuous(tested, trace, slots=5)] == alone
    assert len({tuple(tokens) for tokens in alone}) > 5


def test_a_static_batch_waits_to_fill_and_no_longer_than_its_timeout(tmp_path: Path) -> None:
    tested = subject.load(bundles.write_generator(tmp_path), 1, threads=1, seed=1)
    trace = [Request((1,), 3, at_s) for at_s in (0.0, 0.001, 0.002, 0.2)]
    served = modes.static_batches(tested, trace, Batches(rows=2, timeout_s=0.03))
    firsts = [each.times_s[0] for each in served]
    assert max(firsts[:2]) < firsts[2] < firsts[3]
    assert served[0].first_s < 0.03 <= served[2].first_s


def test_a_model_that_makes_no_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="generates no tokens"):
        subject.load(bundles.write_classifier(tmp_path), 1, threads=1, seed=1)


def test_targets_are_met_or_missed_by_the_ratios() -> None:
    assert [target.met(FOUND) for target in TARGETS] == [True, True, True]
    slower = replace(FOUND, full=FOUND.full | {CONTINUOUS: replace(PLAIN, tokens_per_s=3999)})
    later = replace(FOUND, loaded=FOUND.loaded | {STATIC: replace(PLAIN, first_p99_ms=99)})
    assert [target.met(slower) for target in TARGETS] == [False, True, True]
    assert [target.met(later) for target in TARGETS] == [True, False, True]
    assert [target.met(replace(FOUND, own_share=0.2)) for target in TARGETS] == [True, True, False]


def test_the_command_prints_every_way_and_checks_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.write_generator(tmp_path)
    asked = list[Plan]()

    def compare(_: object, plan: Plan) -> Comparison:
        asked.append(plan)
        return replace(FOUND, own_share=0.5)

    monkeypatch.setattr(comparison, "compare", compare)
    command = ["generation", "--models", str(tmp_path), "--model", "letters", "--repeats", "1"]
    shown = CliRunner().invoke(cli, command)
    assert shown.exit_code == 0, shown.output
    for text in (comparison.BARE, *comparison.MODES, "0.50 (below 0.2: missed)", "4.00 (at least 4: met)"):
        assert text in shown.output
    assert asked[0].repeats == 1
    assert CliRunner().invoke(cli, [*command, "--check"]).exit_code == 1


def test_a_model_without_a_version_ends_the_command(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["generation", "--models", str(tmp_path)])
    assert shown.exit_code == 2
    assert "there is no version of 'prose-lstm'" in shown.output


@pytest.mark.slow
def test_a_whole_comparison_has_figures_for_both_loads(tmp_path: Path) -> None:
    tested = subject.load(bundles.write_generator(tmp_path), 64, threads=1, seed=1)
    found = comparison.compare(tested, Plan(slots=8, repeats=1))
    assert found.full.keys() == found.loaded.keys() == set(comparison.MODES)
    assert 0 < found.own_share < 1
    assert found.throughput > 0 < found.patience

"""Objectives: what may be asked of a load test, and when it was met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.traffic import objectives
from loadtests.traffic.objectives import FIRST_TOKEN, Objective, Series, quantile_s

NUMBERS = st.integers(1, 10_000)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
SCOPES = st.sets(NAMES, max_size=3)


def series(*labels: str, of: str = "", failures: int = 0, counts: dict[float, int] | None = None) -> Series:
    counts = counts or {10.0: 90, 40.0: 9, 500.0: 1}
    return Series("a series", frozenset(labels), of, sum(counts.values()), failures, counts, 10.0)


def verdicts(text: str, *found: Series) -> dict[str, tuple[float | None, bool]]:
    return {
        each.objective.name: (each.found, each.met)
        for each in objectives.judge(objectives.parse(text), found)
    }


def test_latency_errors_and_rate_of_all_requests() -> None:
    found = verdicts("p99=50ms,p90=9ms,mean=20ms,errors=2%,rate=10/s", series("a", failures=1))
    assert found == {
        "p99": (0.04, True),
        "p90": (0.01, False),
        "mean": (pytest.approx(0.0176), True),
        "errors": (0.01, True),
        "rate": (pytest.approx(9.9), False),
    }


def test_without_an_objective_for_errors_there_must_be_none() -> None:
    assert verdicts("p99=1s", series("a", failures=1))["errors"] == (0.01, False)
    assert verdicts("p99=1s", series("a"))["errors"] == (0, True)
    assert verdicts("a:errors=1%,p99=1s", series("a", failures=1))["errors"] == (0.01, False)
    assert objectives.parse(" ") == ()


def test_a_scope_is_judged_by_its_own_requests() -> None:
    slow, quick = series("slow", "rest"), series("quick", "rest", counts={1.0: 900})
    found = verdicts("slow/rest:p99=45ms,quick:p99=5ms,p50=5ms", slow, quick)
    assert found["rest/slow:p99"] == (0.04, True)
    assert found["quick:p99"] == (0.001, True)
    assert found["p50"] == (0.001, True)


def test_the_first_token_has_a_series_of_its_own() -> None:
    found = verdicts(
        "first-token-p50=5ms,p50=20ms", series("a"), series("a", of=FIRST_TOKEN, counts={3.0: 10})
    )
    assert found["first-token-p50"] == (0.003, True)
    assert found["p50"] == (0.01, True)


def test_what_was_not_measured_is_not_met() -> None:
    assert verdicts("p99=1s,other:errors=1", series("a"))["other:errors"] == (None, False)
    assert verdicts("rate=1/s") == {"rate": (None, False), "errors": (None, False)}
    (verdict,) = objectives.judge([Objective(frozenset(), "p99", 1.0)], [])
    assert verdict.told(verdict.found) == "nothing measured"


@given(
    SCOPES,
    st.one_of(
        st.tuples(st.integers(0, 99).map("p{}".format), NUMBERS, st.sampled_from(["us", "ms", "s", "m"])),
        st.tuples(st.just("mean"), NUMBERS, st.sampled_from(["ms", "s"])),
        st.tuples(st.integers(0, 99).map("first-token-p{}.5".format), NUMBERS, st.just("ms")),
        st.tuples(st.just("errors"), st.integers(0, 100), st.just("%")),
        st.tuples(st.just("rate"), NUMBERS, st.just("/s")),
    ),
)
def test_every_objective_that_the_grammar_has_is_read_as_it_is_written(
    scope: set[str], parts: tuple[str, int, str]
) -> None:
    figure, number, unit = parts
    written = f"{'/'.join(scope)}:{figure}" if scope else figure
    found = objectives.parse(f" {written}={number}{unit} ,errors=1")
    assert found[0].scope == scope
    assert found[0].figure == figure
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "%": 0.01, "/s": 1}[unit]
    assert found[0].bound == pytest.approx(number * scale)
    assert found[1:] == (Objective(frozenset(), "errors", 1.0),)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = objectives.parse(text)
    except ValueError as error:
        assert "expected" in str(error)  # noqa: PT017  # most texts are refused, some are not
    else:
        assert bool(found) is bool(text.strip())


@pytest.mark.parametrize(
    "text",
    ["p99", "p99=50", "p100=1s", "p=1s", "errors=101%", "errors=2", "errors=-1%", "rate=5", ":p99=1s", "q=1s", "p99=1s,,", "a//b:p99=1s"],
)  # fmt: skip
def test_what_is_no_objective_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"objective '.*': expected \[scope:\]p99=50ms"):
        objectives.parse(text)


@given(st.dictionaries(st.floats(0.01, 1e5), st.integers(1, 50), min_size=1, max_size=20), st.floats(0, 1))
def test_a_quantile_is_the_nearest_rank_of_all_that_was_counted(
    counts: dict[float, int], share: float
) -> None:
    found = quantile_s([Series("", frozenset(), "", 1, 0, counts, 1.0)], share)
    assert found is not None
    total, below = sum(counts.values()), sum(n for ms, n in counts.items() if ms / 1000 <= found)
    assert below >= share * total - 1e-6
    less = sum(n for ms, n in counts.items() if ms / 1000 < found)
    assert less < share * total + 1e-6 or less == 0


def test_quantiles_are_those_of_all_series_together() -> None:
    both = [series("a", counts={1.0: 1}), series("b", counts={9.0: 99})]
    assert quantile_s(both, 0.5) == 0.009
    assert quantile_s([], 0.5) is None

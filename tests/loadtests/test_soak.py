"""Very many generations at random: nobody gets another's token, and nothing is left of them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from typer.testing import CliRunner

from loadtests import soak
from loadtests.__main__ import cli
from loadtests.soak import Found
from loadtests.tagging import CYCLE, GRAPHS, TAGS, VOCABULARY, expected
from service.domain import Sampling
from service.engine.contracts import Prompt, Token
from service.engine.generator import Generator


@pytest.mark.parametrize("name", GRAPHS)
def test_a_short_soak_leaves_nothing_and_mixes_nothing_up(name: str) -> None:
    found = soak.soak(GRAPHS[name], 300)
    assert found.faults == []
    assert found.finished + found.cancelled == 300
    assert 60 < found.cancelled < 140
    assert found.tokens > 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_twenty_thousand_generations_leave_nothing_and_mix_nothing_up(name: str) -> None:
    found = soak.soak(GRAPHS[name], 10_000, seed=2)
    assert found.faults == []
    assert found.finished + found.cancelled == 10_000


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_tells_whose_its_token_is_by_the_state_alone(name: str, tmp_path: Path) -> None:
    GRAPHS[name].write(tmp_path / "step.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx")
    given = {
        "replace": {"ids": [[9], [9]], "lengths": [1, 1], "tag": [[3], [500]], "seen": [[4], [7]]},
        "append": {"ids": [[9], [9]], "past_mask": [[1] * 7, [1] * 4 + [0] * 3], "owner": [[500], [3]]},
    }[name]
    given["past"] = [[[500.0]] * 7, [[3.0]] * 4 + [[77.0]] * 3]
    feeds = {each.name: _array(given[each.name], each.type) for each in session.get_inputs()}
    (logits,) = session.run(["logits"], feeds)
    tokens = {"replace": [3 * CYCLE + 1, 500 * CYCLE], "append": [500 * CYCLE, 3 * CYCLE + 1]}[name]
    assert logits.argmax(axis=1).tolist() == tokens
    assert logits.shape == (2, VOCABULARY)


def _array(values: Any, kind: str) -> Any:
    import numpy as np

    return np.array(values, np.int32 if kind == "tensor(int32)" else np.float32)


def test_a_token_says_whose_it_is_and_how_many_came_before_it() -> None:
    assert expected(tag=5, prompt=3, count=3) == [5 * CYCLE + 3, 5 * CYCLE, 5 * CYCLE + 1]
    assert soak.CALLERS * soak.TAGS_OF_EACH <= TAGS


def test_a_token_of_another_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Generator.stream

    async def mixed(
        self: Generator, prompt: Prompt, sampling: Sampling, *more: Any
    ) -> AsyncGenerator[Token, None]:
        async for token in whole(self, prompt, sampling, *more):
            yield Token(token.id + CYCLE, 0.0, token.finish_reason)

    monkeypatch.setattr(Generator, "stream", mixed)
    found = soak.soak(GRAPHS["replace"], 5)
    assert found.faults
    assert found.faults[0].startswith("tag ")


def test_what_is_left_and_what_grows_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found(slots_in_use=1, waiting=2, grown_bytes=soak.MOST_GROWN_BYTES + 1)
    assert [fault.split()[0] for fault in found.faults] == ["1", "memory"]
    monkeypatch.setattr(soak, "soak", lambda *_: found)
    assert CliRunner().invoke(cli, ["soak", "--generations", "1"]).exit_code == 1

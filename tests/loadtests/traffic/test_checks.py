"""Answers against the right ones: recorded, or the first that came."""

import numpy as np
import pytest

from loadtests.traffic.checks import Answer, Memory, difference

RIGHT: Answer = {"y": np.array([1.0, 100.0]), "text": "bonjour"}


def changed(**parts: object) -> Answer:
    return {**RIGHT, **parts}  # type: ignore[dict-item]


def test_the_same_answer_is_right_within_the_tolerance_relative_to_its_size() -> None:
    assert difference(RIGHT, RIGHT, 0.0) is None
    assert difference(RIGHT, changed(y=np.array([1.001, 100.05])), 1e-3) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (changed(y=np.array([1.0, 101.0])), "'y' is off by 1e-02, tolerated is 1e-03"),
        (changed(y=np.array([1.0, np.nan])), "'y' is off by nan"),
        (changed(y=np.array([[1.0, 100.0]])), "'y' has the shape [1, 2], expected [2]"),
        (changed(y="1"), "'y' is another text"),
        (changed(text="bonsoir"), "'text' is another text"),
        (changed(text=np.zeros(1)), "'text' is another text"),
        ({"y": RIGHT["y"]}, "parts ['y'], expected ['text', 'y']"),
    ],
)
def test_any_other_answer_is_wrong_and_says_where(answer: Answer, told: str) -> None:
    assert told in (difference(RIGHT, answer, 1e-3) or "")


def test_what_is_not_a_number_in_both_is_the_same_and_so_is_nothing() -> None:
    odd: Answer = {"y": np.array([np.nan, np.inf]), "none": np.zeros((0, 3)), "is": np.array([True])}
    assert difference(odd, odd, 0.0) is None
    assert difference({"is": np.array([True])}, {"is": np.array([False])}, 1e-3) is not None


def test_without_a_recorded_answer_the_first_of_a_key_counts() -> None:
    memory = Memory()
    assert memory.fault("greeting", None, {"text": "a"}, 0.0) is None
    assert memory.fault("greeting", None, {"text": "a"}, 0.0) is None
    assert memory.fault("greeting", None, {"text": "b"}, 0.0) is not None
    assert memory.fault("farewell", None, {"text": "b"}, 0.0) is None
    assert memory.fault("greeting", {"text": "b"}, {"text": "b"}, 0.0) is None

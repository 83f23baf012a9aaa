"""Compare an answer with the one that is right: recorded by export, or the first that was given.

Knows arrays and texts; knows nothing of models or wires. A wrong answer is a failure, however quick it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Answer = Mapping[str, "Array | str"]
"""Parts by name: an array, or a text."""


def difference(right: Answer, answer: Answer, tolerance: float) -> str | None:
    """Return what is wrong with `answer`, None if nothing is.

    The measure is that of the bundle's golden requests: max |a-b| / (1 + |a|), with a the right answer. What is
    told has one significant digit, so that a load tool can count equal faults.
    """
    if right.keys() != answer.keys():
        return f"it has the parts {sorted(answer)}, expected {sorted(right)}"
    for name, expected in right.items():
        found = answer[name]
        if isinstance(expected, str) or isinstance(found, str):
            if not (isinstance(expected, str) and isinstance(found, str) and expected == found):
                return f"'{name}' is another text"
        elif expected.shape != found.shape:
            return f"'{name}' has the shape {list(found.shape)}, expected {list(expected.shape)}"
        # Not `>`: a distance that is not a number is no agreement.
        elif not (distance := _distance(expected, found)) <= tolerance:
            return f"'{name}' is off by {distance:.0e}, tolerated is {tolerance:.0e}"
    return None


class Memory:
    """The right answer of each question: the recorded one, or the first that was given to its key."""

    def __init__(self) -> None:
        self._first: dict[str, Answer] = {}

    def fault(self, key: str, recorded: Answer | None, answer: Answer, tolerance: float) -> str | None:
        """Return what is wrong with `answer`, None if nothing is or if it is the first of its kind."""
        right = recorded if recorded is not None else self._first.setdefault(key, answer)
        return difference(right, answer, tolerance)


def _distance(expected: Array, found: Array) -> float:
    if expected.size == 0:
        return 0.0
    right, made = expected.astype(np.float64), found.astype(np.float64)
    same = (right == made) | (np.isnan(right) & np.isnan(made))
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0.0, np.abs(right - made) / (1.0 + np.abs(right))).max())

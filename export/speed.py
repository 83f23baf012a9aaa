"""Compare how fast two functions of arrays are, turn by turn, so that whatever else runs slows both alike.

Knows functions and a clock. Knows nothing of runtimes or models.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from export.parity import Runner
from export.recipe import Arrays

WARM_UP = 3
FEWEST = 10
"""Turns that are taken however long they last."""

MOST = 2000


@dataclass(frozen=True, slots=True)
class Times:
    """The median time of a run of each of two functions, which took turns."""

    first_s: float
    second_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the first takes as the second."""
        return self.first_s / self.second_s


def compare(first: Runner, second: Runner, feeds: Arrays, *, budget_s: float = 0.5) -> Times:
    """Run both on the same arrays in turns for about `budget_s`, which of them begins changing each time."""
    for _ in range(WARM_UP):
        first(feeds)
        second(feeds)
    taken: tuple[list[float], list[float]] = [], []
    ends_s = time.perf_counter() + budget_s
    turn = 0
    while turn < FEWEST or (turn < MOST and time.perf_counter() < ends_s):
        for which in (0, 1) if turn % 2 else (1, 0):
            run = second if which else first
            began_s = time.perf_counter()
            run(feeds)
            taken[which].append(time.perf_counter() - began_s)
        turn += 1
    return Times(statistics.median(taken[0]), statistics.median(taken[1]))

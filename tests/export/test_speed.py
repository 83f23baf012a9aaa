"""How two functions are compared: in turns. What they take is not tested."""

import itertools

import numpy as np
import pytest

from export import speed
from export.parity import Runner
from export.recipe import Arrays


def test_both_take_turns_and_neither_always_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))
    runs: list[str] = []

    def named(name: str, ticks: int) -> Runner:
        def run(feeds: Arrays) -> Arrays:
            runs.append(name)
            for _ in range(ticks):
                next(clock)
            return feeds

        return run

    times = speed.compare(named("slow", 5), named("quick", 2), {"x": np.zeros(1)}, budget_s=0)
    timed = runs[2 * speed.WARM_UP :]
    assert timed[:4] == ["quick", "slow", "slow", "quick"]
    assert timed.count("slow") == timed.count("quick") == speed.FEWEST
    assert times == speed.Times(6.0, 3.0)
    assert times.ratio == 2.0

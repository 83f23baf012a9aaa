"""Search the highest rate that meets an objective: doubling, then bisection.

Knows rates and whether they were met; knows nothing of how they were tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.traffic.durations import told


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where to search, in requests a second, and how close the end shall be (0.1: within a tenth)."""

    first: float = 50.0
    lowest: float = 1.0
    highest: float = 10_000.0
    precision: float = 0.1

    def __post_init__(self) -> None:
        """Raise ValueError unless the rates are in order."""
        if not 0 < self.lowest <= self.first <= self.highest or self.precision <= 0:
            raise ValueError("expected 0 < lowest <= first <= highest and a positive precision")


@dataclass(frozen=True, slots=True)
class Trial:
    """A rate that was tried, and whether the objective was met."""

    rate: float
    met: bool


def best(trials: Sequence[Trial]) -> float | None:
    """Return the highest rate that was met below every one that was not; None if there is none."""
    missed = min((trial.rate for trial in trials if not trial.met), default=math.inf)
    return max((trial.rate for trial in trials if trial.met and trial.rate < missed), default=None)


def next_rate(trials: Sequence[Trial], bounds: Bounds) -> float | None:
    """Return the rate to try next, None when the search is over."""
    if not trials:
        return bounds.first
    met = best(trials)
    missed = min((trial.rate for trial in trials if not trial.met), default=None)
    if missed is None:
        assert met is not None
        return min(2 * met, bounds.highest) if met < bounds.highest else None
    if met is None:
        return max(missed / 2, bounds.lowest) if missed > bounds.lowest else None
    if missed / met <= 1 + bounds.precision:
        return None
    return math.sqrt(met * missed)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found of one model on one wire: a rate, its latencies, and what stopped it."""

    name: str
    rate: float | None
    p50_s: float | None
    p99_s: float | None
    bound_by: str
    trials: int


def markdown(found: Sequence[Found], objective: str, trial_s: float) -> str:
    """Return the capacity table as Markdown."""
    lines = [
        f"Requests a second, arriving at random (Poisson), within `{objective}`; trials of {trial_s:g} s each.",
        "",
        "| word | model | wire | requests/s | p50 | p99 | bound by | trials |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        rate = "none" if each.rate is None else f"{each.rate:,.0f}"
        p50, p99 = ("" if value is None else told(value) for value in (each.p50_s, each.p99_s))
        cells = (*each.name.split(), rate, p50, p99, each.bound_by, str(each.trials))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

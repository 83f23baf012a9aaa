"""What several trainings of one combination of settings come to: mean and deviation, best first.

Pure functions of numbers; knows no files.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.job import Expectation
from training.run import Run
from training.variation import Trial


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended: a complete run, or the reason why there is none; `usage` if other arguments were needed."""

    trial: Trial
    run: Run | None = None
    failure: str | None = None
    usage: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean of values and their sample standard deviation, which one value alone has not."""

    mean: float
    deviation: float | None
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + ("" if self.deviation is None else f" ± {self.deviation:.2g}")


def spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of at least one value."""
    return Spread(
        statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A combination: its varied settings, all its trials, and what the complete ones reached."""

    chosen: Mapping[str, str]
    runs: Sequence[Run]
    asked: int

    def of(self, metric: str) -> Spread:
        """Return the spread of a held-out metric."""
        return spread([run.metrics[metric] for run in self.runs])

    @property
    def seconds(self) -> Spread:
        """The spread of training times."""
        return spread([run.record.seconds for run in self.runs])

    @property
    def parameters(self) -> int:
        """How many numbers the model has; 0 where a run does not say."""
        return self.runs[0].record.parameters or 0


def best_first(outcomes: Sequence[Sequence[Outcome]], goal: Expectation) -> list[Line]:
    """Return a line for each combination of which at least one training is complete, by the mean of `goal`'s metric.

    Higher is better where the goal is a lower bound.
    """
    lines = [
        Line(group[0].trial.chosen, [each.run for each in group if each.run is not None], len(group))
        for group in outcomes
    ]
    sign = -1 if goal.at_least is not None else 1
    return sorted((line for line in lines if line.runs), key=lambda line: sign * line.of(goal.metric).mean)


def by_value(lines: Sequence[Line], metric: str) -> dict[tuple[str, str], Spread]:
    """Return, for each value of each varied setting, the spread of a metric over all trainings that have it."""
    found: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        for pair in line.chosen.items():
            found.setdefault(pair, []).extend(run.metrics[metric] for run in line.runs)
    keys = list(lines[0].chosen)
    return {pair: spread(found[pair]) for pair in sorted(found, key=lambda pair: keys.index(pair[0]))}


def result_rows(lines: Sequence[Line], metric: str) -> list[list[str]]:
    """Return the table of all combinations, its heads first."""
    rows = [[*lines[0].chosen, metric, "trainings", "seconds", "parameters"]]
    for line in lines:
        count = f"{len(line.runs)}/{line.asked}"
        reached = [str(line.of(metric)), count, str(line.seconds), f"{line.parameters}"]
        rows.append([*line.chosen.values(), *reached])
    return rows

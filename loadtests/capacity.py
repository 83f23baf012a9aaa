"""Find how many requests a second each model takes on each wire within an objective, and write a table.

Runs locust again and again at rates that `loadtests.traffic.capacity` chooses; knows nothing of how it asks.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import launching
from loadtests.traffic.capacity import Bounds, Found, Trial, best, next_rate

USERS = 4
"""Poisson sources of a trial, each with connections of its own; together they have the rate that is tried."""
_MET, _MISSED = 0, 1


class TrialError(Exception):
    """A trial that could not be made."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a rate is tried."""

    objective: str
    trial_s: float
    arguments: tuple[str, ...]


Summary = dict[str, Any]
Try = Callable[[str, float], Summary]


def attempt(method: Method) -> Try:
    """Return a function that asks the requests of a scope at a rate, and returns locust's summary."""

    def make(scope: str, rate: float) -> Summary:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "summary.json"
            arguments = [
                "--arrivals=poisson",
                f"--users={USERS}",
                f"--spawn-rate={USERS}",
                f"--user-rate={rate / USERS}",
                f"--only={scope}",
                f"--run-time={max(1, round(method.trial_s))}s",
                f"--slo={method.objective}",
                f"--summary={path}",
                "--html=",
                *method.arguments,
            ]
            code = launching.run(arguments, quiet=True)
            if code not in {_MET, _MISSED} or not path.is_file():
                raise TrialError(f"locust ended with exit code {code} before it had a verdict")
            summary: Summary = json.loads(path.read_bytes())
        return summary

    return make


def search(name: str, make: Try, bounds: Bounds, until_s: float) -> Found:
    """Return what was found of the series `name`; no trial begins after `until_s` on `time.monotonic`'s clock."""
    trials: list[Trial] = []
    summaries: dict[float, Summary] = {}
    scope = "/".join(name.split())
    while (rate := next_rate(trials, bounds)) is not None and time.monotonic() < until_s:
        summaries[rate] = make(scope, rate)
        trials.append(Trial(rate, summaries[rate]["met"]))
    found = best(trials)
    of_best = summaries.get(found, {}) if found is not None else {}
    return Found(
        name,
        found,
        of_best.get("p50_s"),
        of_best.get("p99_s"),
        _bound_by(trials, summaries, over=rate is None),
        len(trials),
    )


def _bound_by(trials: list[Trial], summaries: dict[float, Summary], *, over: bool) -> str:
    """Return what kept the rate from being higher, as far as the trials tell."""
    if not over:
        return "time for the search"
    missed = min((trial.rate for trial in trials if not trial.met), default=None)
    if missed is None:
        return "highest rate tried"
    late_s, slow_s = (summaries[missed][name] or 0.0 for name in ("lateness_p99_s", "p99_s"))
    return "load generator" if late_s > slow_s / 2 else "gateway"

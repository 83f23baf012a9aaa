"""Objectives of a load test: read them, and judge what was measured by them.

Knows figures and bounds; knows nothing of how they came about.

    p99=50ms,errors=0.1%                 99 of 100 answers within 50 ms, 1 failure in 1000 requests
    digits-cnn:p95=20ms                  one model's
    generate/grpc:first-token-p95=100ms  time to the first token of streams
    rate=200/s                           at least so many right answers a second

Failures answer quickly, so latency alone says little: without an objective for all errors there is one of none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtests.traffic.durations import seconds_of, told
from loadtests.traffic.scopes import EVERYTHING, Scope
from loadtests.traffic.scopes import parse as scope_of

FIRST_TOKEN = "first token"  # noqa: S105  # no password
LATENESS = "lateness"
"""What a series is of when it is not of whole requests."""

_QUANTILE = re.compile(r"(?P<of>first-token-|lateness-)?p(?P<percent>\d{1,2}(?:\.\d+)?)")
_OF = {None: "", "first-token-": FIRST_TOKEN, "lateness-": LATENESS}
_SHARE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<percent>%?)")
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?)/s")


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured of one kind of request.

    `of` is "" for whole requests, else FIRST_TOKEN or LATENESS; `histogram` counts by milliseconds; `seconds`
    is how long the test ran.
    """

    name: str
    labels: frozenset[str]
    of: str
    requests: int
    failures: int
    histogram: Mapping[float, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound for a figure of all requests in `scope`: seconds, a share, or answers a second."""

    scope: Scope
    figure: str
    bound: float

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{'/'.join(sorted(self.scope))}:{self.figure}" if self.scope else self.figure


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of an objective; None if there was nothing to find."""

    objective: Objective
    found: float | None

    @property
    def met(self) -> bool:
        """Whether it was found, within the bound."""
        if self.found is None:
            return False
        if self.objective.figure == "rate":
            return self.found >= self.objective.bound
        return self.found <= self.objective.bound

    def told(self, value: float | None) -> str:
        """Return a value of the objective's figure for people."""
        if value is None:
            return "nothing measured"
        if self.objective.figure == "errors":
            return f"{100 * value:.4g} %"
        return f"{value:.4g}/s" if self.objective.figure == "rate" else told(value)


def parse(text: str) -> tuple[Objective, ...]:
    """Return the objectives of a list with commas, none for an empty one; raises ValueError."""
    found = [_objective(part.strip()) for part in text.split(",")] if text.strip() else []
    if found and not any(each.figure == "errors" and not each.scope for each in found):
        found.append(Objective(EVERYTHING, "errors", 0.0))
    return tuple(found)


def judge(objectives: Iterable[Objective], series: Sequence[Series]) -> list[Verdict]:
    """Return a verdict for each objective."""
    return [Verdict(each, _figure(each, series)) for each in objectives]


def quantile_s(series: Iterable[Series], share: float) -> float | None:
    """Return the seconds that `share` of what was measured did not exceed; None if nothing was."""
    counts: dict[float, int] = {}
    for each in series:
        for milliseconds, count in each.histogram.items():
            counts[milliseconds] = counts.get(milliseconds, 0) + count
    rest = share * sum(counts.values())
    for milliseconds in sorted(counts):
        rest -= counts[milliseconds]
        if rest <= 1e-9:
            return milliseconds / 1000
    return max(counts) / 1000 if counts else None


def _objective(text: str) -> Objective:
    left, _, bound = text.partition("=")
    scope, colon, figure = left.rpartition(":")
    try:
        named = scope_of(scope) if colon else EVERYTHING
        return Objective(named, figure.strip(), _bound(figure.strip(), bound.strip()))
    except ValueError as error:
        expected = "p99=50ms, mean=20ms, first-token-p95=100ms, errors=0.1% or rate=100/s"
        raise ValueError(f"objective '{text}': expected [scope:]{expected}") from error


def _bound(figure: str, bound: str) -> float:
    if figure == "errors" and (share := _SHARE.fullmatch(bound)):
        value = float(share["number"]) / (100 if share["percent"] else 1)
        if value <= 1:
            return value
    elif figure == "rate" and (rate := _RATE.fullmatch(bound)):
        return float(rate["number"])
    elif figure == "mean" or _QUANTILE.fullmatch(figure):
        return seconds_of(bound)
    raise ValueError("no such figure, or no bound for it")


def _figure(objective: Objective, series: Sequence[Series]) -> float | None:
    quantile = _QUANTILE.fullmatch(objective.figure)
    of = _OF[quantile["of"]] if quantile else ""
    within = [each for each in series if each.of == of and objective.scope <= each.labels and each.requests]
    if not within:
        return None
    requests, failures = sum(each.requests for each in within), sum(each.failures for each in within)
    if objective.figure == "errors":
        return failures / requests
    if objective.figure == "rate":
        return max(0, requests - failures) / max(each.seconds for each in within)
    if quantile:
        return quantile_s(within, float(quantile["percent"]) / 100)
    return sum(ms * count for each in within for ms, count in each.histogram.items()) / requests / 1000

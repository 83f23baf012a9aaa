"""What callers saw of their tokens, and the figures that are made of it.

Pure; knows times and counts, nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

MOST_BEFORE_FIRST_S = 0.2
MOST_BETWEEN_S = 0.05
"""A request is served well if its first token comes within the one, and its slowest next one within the other."""


@dataclass(slots=True)
class Served:
    """One request: when it came, and when it got which token; all on one clock."""

    arrived_at_s: float
    tokens: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def tell(self, token: int, now_s: float) -> None:
        """Hand over a token."""
        self.tokens.append(token)
        self.times_s.append(now_s)

    @property
    def first_s(self) -> float:
        """How long the first token took to come."""
        return self.times_s[0] - self.arrived_at_s

    @property
    def between_s(self) -> list[float]:
        """How long each of the next ones took."""
        return [later - earlier for earlier, later in pairwise(self.times_s)]

    @property
    def well(self) -> bool:
        """Whether it kept the bounds."""
        return self.first_s <= MOST_BEFORE_FIRST_S and max(self.between_s, default=0.0) <= MOST_BETWEEN_S


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run: rates in one second, waits in milliseconds; CPU time is the whole process's."""

    tokens_per_s: float
    tokens_per_cpu_s: float
    first_p50_ms: float
    first_p99_ms: float
    between_p50_ms: float
    between_p99_ms: float
    good_per_s: float


def figures(served: Sequence[Served], cpu_s: float) -> Figures:
    """Return the figures of a run that took `cpu_s` of CPU time; it lasts from the first arrival to the last token."""
    seconds = max(each.times_s[-1] for each in served) - min(each.arrived_at_s for each in served)
    first = [each.first_s for each in served]
    between = [gap for each in served for gap in each.between_s]
    tokens = sum(len(each.tokens) for each in served)
    return Figures(
        tokens_per_s=tokens / seconds,
        tokens_per_cpu_s=tokens / cpu_s,
        first_p50_ms=1000 * quantile(first, 0.5),
        first_p99_ms=1000 * quantile(first, 0.99),
        between_p50_ms=1000 * quantile(between, 0.5),
        between_p99_ms=1000 * quantile(between, 0.99),
        good_per_s=sum(each.well for each in served) / seconds,
    )


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

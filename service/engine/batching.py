"""Decide which waiting requests make the next batch, and when.

Pure functions from a queue and the time to a plan. Knows rows, keys and time; knows no tensors and no futures.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.domain import DispatchReason

LOOK_AHEAD = 4
"""Among the rows of so many batches are those looked for that are about as long as the oldest."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is complete, and how much may wait.

    `max_rows` rows a run; a single request with more runs alone. `max_delay_s` is how long the oldest may
    wait for company while the session is free; 0 takes at once what is queued. A run that is expected to
    take less than `inline_bound_s` is made on the event loop itself.
    """

    max_rows: int = 64
    max_delay_s: float = 0.0
    max_queued: int = 1024
    max_queued_bytes: int = 256 * 2**20
    inline_bound_s: float = 0.001


class Waiting(Protocol):
    """What the plan needs to know of a request that waits."""

    @property
    def rows(self) -> int:
        """Rows along the batch axis."""

    @property
    def key(self) -> Hashable:
        """Requests with equal keys may share a run; None shares with nobody."""

    @property
    def length(self) -> int:
        """How long its rows are along the axes that padding may lengthen."""

    @property
    def arrived_at_s(self) -> float:
        """When it came."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Take the requests at `take` (positions in the queue, ascending) now, or come back in `wait_s`."""

    take: tuple[int, ...]
    reason: DispatchReason = "idle"
    wait_s: float = 0.0


def plan(queue: Sequence[Waiting], now_s: float, limits: BatchLimits) -> Plan:
    """Return what to run next, the session being free.

    The oldest request always goes in the next batch, so nobody starves; those behind it that agree with it
    join while they fit, in their order, or, where more wait than fit, those first that are about as long. The first that
    does not fit closes the batch.
    """
    if not queue:
        return Plan(())
    if queue[0].key is None:
        return Plan((0,), "alone")
    take, full = _company(queue, limits.max_rows)
    if full:
        return Plan(take, "full")
    wait_s = queue[0].arrived_at_s + limits.max_delay_s - now_s
    if wait_s > 0:
        return Plan((), wait_s=wait_s)
    return Plan(take, "delay" if limits.max_delay_s else "idle")


def _company(queue: Iterable[Waiting], max_rows: int) -> tuple[tuple[int, ...], bool]:
    """Return the positions that go with the first of the queue, and whether the batch is full with them.

    Of more than there is room for, those about as long as the first: they pad one another least.
    """
    agreeing: list[tuple[int, Waiting]] = []
    rows = 0
    key: Hashable = None
    for position, waiting in enumerate(queue):
        if not agreeing:
            key, length = waiting.key, waiting.length
        elif waiting.key != key:
            continue
        agreeing.append((position, waiting))
        rows += waiting.rows
        if rows > LOOK_AHEAD * max_rows:
            break
    if rows > max_rows:
        agreeing.sort(key=lambda each: abs(each[1].length - length))
    return _filled(agreeing, max_rows)


def _filled(agreeing: Iterable[tuple[int, Waiting]], max_rows: int) -> tuple[tuple[int, ...], bool]:
    """Return the positions of the first that fit, in ascending order; the next one that does not closes the batch."""
    take: list[int] = []
    rows = 0
    for position, waiting in agreeing:
        if take and rows + waiting.rows > max_rows:
            return tuple(sorted(take)), True
        take.append(position)
        rows += waiting.rows
    return tuple(sorted(take)), rows >= max_rows

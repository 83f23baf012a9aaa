"""What was counted for one version since it was first seen, for protocols that hand out such numbers themselves.

Knows counts and times. Knows nothing of Prometheus or of who asks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from service.domain import Timing

MAX_SIZES = 256
"""Batch sizes are the callers' choice: so many different ones are told apart, in the order in which they came."""


@dataclass(slots=True)
class Count:
    """How often, and for how long together."""

    times: int = 0
    total_s: float = 0.0

    def add(self, duration_s: float) -> None:
        """Count once more."""
        self.times += 1
        self.total_s += duration_s


@dataclass(slots=True)
class Tally:
    """Requests by how they ended; `rows` and `runs` of the graphs, failed runs left out.

    `queued` and `ran` are of answered requests, each with the whole run of the batch that it was in.
    `by_rows` has the runs by the number of their rows. `last_at_unix_s` is 0 before the first answer.
    """

    answered: Count = field(default_factory=Count)
    failed: Count = field(default_factory=Count)
    queued: Count = field(default_factory=Count)
    ran: Count = field(default_factory=Count)
    rows: int = 0
    runs: int = 0
    by_rows: dict[int, Count] = field(default_factory=dict)
    last_at_unix_s: float = 0.0

    def answer(self, duration_s: float, timing: Timing) -> None:
        """Count a request that was answered."""
        self.answered.add(duration_s)
        self.queued.add(timing.queue_s)
        self.ran.add(timing.run_s)
        self.last_at_unix_s = time.time()

    def run(self, rows: int, run_s: float) -> None:
        """Count a run that did not fail."""
        self.rows += rows
        self.runs += 1
        count = self.by_rows.get(rows)
        if count is None:
            if len(self.by_rows) >= MAX_SIZES:
                return
            count = self.by_rows[rows] = Count()
        count.add(run_s)

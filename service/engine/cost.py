"""Predict how long a run takes from how long runs took: a fixed part plus a part per row.

Knows numbers only.
"""

from __future__ import annotations

import math

_DOUBT = 1 / 16
"""Runs whose rows differ by less than this share of them say little of what a row costs."""


class RunCost:
    """A least-squares line through recent (rows, seconds) pairs; old pairs fade.

    A cost per row alone would misjudge large batches: small graphs cost nearly the same at 1 and at 64 rows.
    """

    def __init__(self, fade: float = 0.95) -> None:
        self._fade = fade
        self._weight = 0.0
        self._rows = 0.0
        self._seconds = 0.0
        self._rows_squared = 0.0
        self._rows_seconds = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        fade = self._fade
        self._weight = self._weight * fade + 1.0
        self._rows = self._rows * fade + rows
        self._seconds = self._seconds * fade + seconds
        self._rows_squared = self._rows_squared * fade + rows * rows
        self._rows_seconds = self._rows_seconds * fade + rows * seconds

    def predict(self, rows: int) -> float:
        """Return the expected seconds for `rows`; infinite before the first observation.

        Where little is known of other sizes, the worst: cost in proportion above the mean of those seen, and no less below
        it.
        """
        if self._weight == 0.0:
            return math.inf
        mean_rows, mean_seconds = self._rows / self._weight, self._seconds / self._weight
        slope = self._slope(mean_seconds / mean_rows if rows > mean_rows else 0.0)
        return max(0.0, mean_seconds + slope * (rows - mean_rows))

    def saved(self, rows: int) -> float:
        """Return by how many seconds a run is expected to be shorter for `rows` rows less; 0 before the first observation.

        Where little is known of other sizes, in proportion.
        """
        return rows * self._slope(self._seconds / self._rows) if self._weight else 0.0

    def _slope(self, assumed: float) -> float:
        """Return the seconds that a row adds: `assumed` where sizes hardly differ, for then other things vary more."""
        mean_rows = self._rows / self._weight
        spread = self._rows_squared / self._weight - mean_rows * mean_rows
        together = self._rows_seconds / self._weight - mean_rows * self._seconds / self._weight
        weak = (_DOUBT * mean_rows) ** 2
        return max(0.0, (together + weak * assumed) / (spread + weak))

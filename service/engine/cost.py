"""Predict how long a run takes from how long runs took: a fixed part plus a part per row.

Knows numbers only.
"""

from __future__ import annotations

import math


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
        """Return the expected seconds for `rows`; infinite before the first observation."""
        if self._weight == 0.0:
            return math.inf
        mean_rows = self._rows / self._weight
        mean_seconds = self._seconds / self._weight
        spread = self._rows_squared / self._weight - mean_rows * mean_rows
        # With one batch size seen so far there is no line yet: assume the worst, cost in proportion.
        if spread < 1e-9 * (1.0 + mean_rows * mean_rows):
            return mean_seconds * max(1.0, rows / mean_rows)
        slope = max(0.0, (self._rows_seconds / self._weight - mean_rows * mean_seconds) / spread)
        return max(0.0, mean_seconds + slope * (rows - mean_rows))

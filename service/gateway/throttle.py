"""Let one of many alike through in each interval, and say how many were held back.

Knows keys and times. Knows nothing of what is let through.
"""

from __future__ import annotations

from collections.abc import Hashable


class Throttle:
    """Remembers at most `capacity` keys; when full, all are forgotten, so that memory is bounded."""

    def __init__(self, interval_s: float, capacity: int = 1024) -> None:
        self._interval_s = interval_s
        self._capacity = capacity
        self._seen: dict[Hashable, tuple[float, int]] = {}

    def admit(self, key: Hashable, now_s: float) -> int | None:
        """Return None to hold back, else how many of this key were held back since the last."""
        admitted_at_s, held = self._seen.get(key, (-self._interval_s, 0))
        if now_s - admitted_at_s < self._interval_s:
            self._seen[key] = (admitted_at_s, held + 1)
            return None
        if len(self._seen) >= self._capacity:
            self._seen.clear()
        self._seen[key] = (now_s, 0)
        return held

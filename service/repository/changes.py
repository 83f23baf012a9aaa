"""Let many wait for the next change of something, without missing one.

Knows a number that only grows. Knows nothing of what changed.
"""

from __future__ import annotations

import asyncio


class Changes:
    """A revision number and those who wait for the next. Used on one event loop."""

    def __init__(self) -> None:
        self._revision = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return self._revision

    def notify(self) -> None:
        """Count a change and wake everyone who waits."""
        self._revision += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self, after: int) -> int:
        """Return the revision as soon as it is greater than `after`."""
        while self._revision <= after:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._revision

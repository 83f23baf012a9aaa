"""Let callers wait until the repository has dealt with what they asked for.

Knows looks, by number, and the names of models. Knows nothing of what a look does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from service.errors import ServiceError


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    after: int
    names: frozenset[str] | None
    needs_disk: bool
    done: asyncio.Future[None]


class Settling:
    """Looks that are counted, and who waits for one. Used on one event loop."""

    def __init__(self) -> None:
        self._looks = 0
        self._waiters: list[_Waiter] = []
        self._woken = asyncio.Event()
        self._end: ServiceError | None = None

    def wake(self) -> None:
        """Ask for a look now."""
        self._woken.set()

    async def sleep(self, at_most_s: float) -> None:
        """Return when a look is asked for, or after `at_most_s`."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._woken.wait()
        except TimeoutError:
            return

    def begin(self) -> int:
        """Return the number of the look that begins; what is asked for from now on waits for the next."""
        self._woken.clear()
        self._looks += 1
        return self._looks

    def finish(self, look: int, pending: Collection[str]) -> None:
        """Release who waits for this look; those whose models are among `pending` wait for another."""

        def through(waiter: _Waiter) -> bool:
            open_names = pending if waiter.names is None else waiter.names.intersection(pending)
            return waiter.after < look and not open_names

        for waiter in self._take(through):
            waiter.done.set_result(None)

    def fail(self, look: int, error: ServiceError) -> None:
        """Tell who needs the disk that this look could not see it."""
        for waiter in self._take(lambda waiter: waiter.needs_disk and waiter.after < look):
            waiter.done.set_exception(error)

    def end(self, error: ServiceError) -> None:
        """Tell everyone, now and from now on, that there are no more looks; idempotent."""
        self._end = error
        for waiter in self._take(lambda _: True):
            waiter.done.set_exception(error)

    async def wait(self, names: frozenset[str] | None = None, *, needs_disk: bool = True) -> None:
        """Return when a look that begins after now leaves nothing to load of `names`, None for all models.

        Raises what `end` is told, and what `fail` is told if it `needs_disk`.
        """
        if self._end is not None:
            raise self._end
        waiter = _Waiter(self._looks, names, needs_disk, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self.wake()
        try:
            await waiter.done
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _take(self, is_meant: Callable[[_Waiter], bool]) -> list[_Waiter]:
        """Remove and return the waiters that are meant and still wait."""
        meant = [waiter for waiter in self._waiters if is_meant(waiter)]
        self._waiters = [waiter for waiter in self._waiters if waiter not in meant]
        return [waiter for waiter in meant if not waiter.done.done()]

"""Work that ends when its caller leaves.

Knows ASGI's `receive` and tasks; knows nothing of what is worked on. A server does not cancel a handler whose
client has gone: whoever works for long has to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

from service.errors import Cancelled

T = TypeVar("T")


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; cancel it and raise Cancelled if the caller leaves first.

    The body must have been received: the next event can only be that the caller leaves.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Cancelled("the caller has gone")
    finally:
        await _end(working)
        await _end(leaving)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel `task` unless it is done, and wait until it is; what it says is of no interest any more."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # else asyncio would report an error that nobody asked for

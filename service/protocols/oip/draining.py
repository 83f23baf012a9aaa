"""A stream of requests that ends when the gateway goes down: an idle one must not hold up the shutdown.

Knows the gateway's state. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from service.errors import Unavailable

if TYPE_CHECKING:
    from service.gateway import Gateway

T = TypeVar("T")


async def until_draining(given: AsyncIterator[T], gateway: Gateway) -> AsyncGenerator[T, None]:
    """Yield what is given; raises Unavailable when the gateway drains while nothing is given."""
    leaving = asyncio.ensure_future(_drained(gateway))
    reading: asyncio.Future[tuple[T] | None] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(_next(given))
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise Unavailable("the server is draining")
            found = reading.result()
            if found is None:
                return
            yield found[0]
    finally:
        for waiting in (reading, leaving):
            if waiting is not None:
                waiting.cancel()
        await asyncio.wait({each for each in (reading, leaving) if each is not None})


async def _next(given: AsyncIterator[T]) -> tuple[T] | None:
    async for found in given:
        return (found,)
    return None


async def _drained(gateway: Gateway) -> None:
    while not gateway.draining:
        await gateway.changes.wait(gateway.changes.revision)

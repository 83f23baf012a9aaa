import asyncio
from typing import Any

import pytest

from service.errors import Cancelled, Invalid
from service.protocols.departure import unless_gone


async def stays() -> Any:
    await asyncio.get_running_loop().create_future()


async def leaves() -> Any:
    return {"type": "http.disconnect"}


async def test_work_is_answered_while_the_caller_stays() -> None:
    async def work() -> int:
        return 3

    assert await unless_gone(stays, work()) == 3


async def test_an_error_of_the_work_comes_through() -> None:
    async def work() -> int:
        raise Invalid("wrong")

    with pytest.raises(Invalid, match="wrong"):
        await unless_gone(stays, work())


async def test_work_is_cancelled_and_over_when_the_caller_leaves() -> None:
    over = False

    async def work() -> None:
        nonlocal over
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            over = True

    with pytest.raises(Cancelled):
        await unless_gone(leaves, work())
    assert over


async def test_work_is_cancelled_when_the_waiting_is() -> None:
    started, over = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            over.set()

    waiting = asyncio.ensure_future(unless_gone(stays, work()))
    await started.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert over.is_set()

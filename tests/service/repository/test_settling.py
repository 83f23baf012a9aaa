"""Who waits for which look."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import Unavailable
from service.repository.settling import Settling

A, B = frozenset({"a"}), frozenset({"b"})
DOWN = Unavailable("down")


async def begun(settling: Settling, names: frozenset[str] | None = None) -> asyncio.Task[None]:
    waiting = asyncio.create_task(settling.wait(names))
    await asyncio.sleep(0)
    return waiting


async def test_a_look_that_began_before_somebody_asked_is_not_theirs() -> None:
    settling = Settling()
    under_way = settling.begin()
    waiting = await begun(settling)
    settling.finish(under_way, ())
    await asyncio.sleep(0)
    assert not waiting.done()
    settling.finish(settling.begin(), ())
    await waiting


async def test_whoever_waits_for_a_model_waits_for_that_one_only() -> None:
    settling = Settling()
    a, b, everything = [await begun(settling, names) for names in (A, B, None)]
    settling.finish(settling.begin(), {"b"})
    await a
    assert not b.done()
    assert not everything.done()
    settling.finish(settling.begin(), ())
    await asyncio.gather(b, everything)


async def test_a_look_that_fails_is_told_to_those_who_waited_for_it() -> None:
    settling = Settling()
    early = await begun(settling)
    look = settling.begin()
    late = await begun(settling)
    settling.fail(look, DOWN)
    with pytest.raises(Unavailable):
        await early
    assert not late.done()
    settling.end(DOWN)
    with pytest.raises(Unavailable):
        await late
    with pytest.raises(Unavailable):
        await settling.wait()


async def test_asking_wakes_whoever_sleeps_between_looks_and_is_not_forgotten_during_one() -> None:
    settling = Settling()
    settling.begin()
    waiting = await begun(settling)
    await asyncio.wait_for(settling.sleep(3600), 5)
    settling.finish(settling.begin(), ())
    await waiting
    await settling.sleep(0)


async def test_one_who_left_is_forgotten() -> None:
    settling = Settling()
    waiting = await begun(settling)
    waiting.cancel()
    await asyncio.wait((waiting,))
    settling.finish(settling.begin(), ())
    settling.end(DOWN)
    again = await begun(Settling())
    again.cancel()

"""Several sequences at once: in pieces, whole, and the best of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from service.domain import ModelId, TextChunk
from service.errors import Unavailable
from service.protocols.openai.choices import Usage, Whole, best, side_by_side, whole

MODEL = ModelId("m", 1)


class Stream:
    """Tells `texts`, then fails or waits for ever if told to; remembers whether it was closed."""

    def __init__(self, *texts: str, fail: Exception | None = None, hang: bool = False) -> None:
        self.texts, self.fail, self.hang = texts, fail, hang
        self.closed = False

    async def chunks(self) -> AsyncGenerator[TextChunk, None]:
        try:
            for place, text in enumerate(self.texts, start=1):
                last = place == len(self.texts)
                yield TextChunk(MODEL, text, 1, "stop" if last else None, 2 * last, place * last)
            if self.fail is not None:
                raise self.fail
            if self.hang:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_every_sequence_comes_whole_in_the_order_that_was_asked_for() -> None:
    streams = [Stream("a", "b"), Stream("c"), Stream("d", "e", "f")]
    made = await whole(side_by_side([each.chunks() for each in streams]))
    assert [each.text for each in made] == ["ab", "c", "def"]
    assert [each.last.completion_tokens for each in made] == [2, 1, 3]
    assert all(each.closed for each in streams)


async def test_the_first_error_is_raised_and_closes_the_others() -> None:
    streams = [Stream("a", hang=True), Stream("b", fail=Unavailable("gone")), Stream("c", hang=True)]
    with pytest.raises(Unavailable, match="gone"):
        await asyncio.wait_for(whole(side_by_side([each.chunks() for each in streams])), 5)
    assert all(each.closed for each in streams)


async def test_closing_closes_every_stream() -> None:
    streams = [Stream("a", hang=True) for _ in range(3)]
    async with aclosing(side_by_side([each.chunks() for each in streams])) as pieces:
        await anext(pieces)
    assert all(each.closed for each in streams)


async def test_who_is_cancelled_closes_every_stream() -> None:
    streams = [Stream("a", hang=True) for _ in range(3)]
    waiting = asyncio.create_task(whole(side_by_side([each.chunks() for each in streams])))
    for _ in range(20):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert all(each.closed for each in streams)


async def test_a_reader_who_pauses_holds_the_streams_back() -> None:
    told = 0

    async def endless() -> AsyncGenerator[TextChunk, None]:
        nonlocal told
        while True:
            told += 1
            yield TextChunk(MODEL, "x")

    async with aclosing(side_by_side([endless()])) as pieces:
        await anext(pieces)
        for _ in range(100):
            await asyncio.sleep(0)
        assert told < 5


def made(*means: float) -> list[Whole]:
    return [Whole(TextChunk(MODEL, "", completion_tokens=2, logprob=2 * mean)) for mean in means]


def test_the_best_are_those_with_the_highest_log_probability_by_token() -> None:
    found = best(made(-3, -1, -2, -6, -5, -4), tries=3, told=2)
    assert [each.mean_logprob for each in found] == [-1, -2, -4, -5]


def test_without_a_choice_the_order_stays() -> None:
    assert [each.mean_logprob for each in best(made(-3, -1, -2), tries=3, told=3)] == [-3, -1, -2]


def test_a_prompt_is_counted_once_however_many_go_on_from_it() -> None:
    usage = Usage(made=2)
    for index in range(4):
        usage.add(index, TextChunk(MODEL, "", prompt_tokens=5, completion_tokens=3))
    assert usage.document() == {"prompt_tokens": 10, "completion_tokens": 12, "total_tokens": 22}

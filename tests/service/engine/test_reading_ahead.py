"""Prompts that are read while all slots step: who steps, in whose place, and who must not notice."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Caller, Tensors
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from tests.service.engine.generators import GREEDY, expected, generator_of, ids, in_s, prompt_of
from tests.support.fakes import Compute, FakeSession, turn_the_loop

LIMITS = GenerationLimits(slots=2, inline_bound_s=60.0, beside_bound_s=float("inf"), deliver_each_s=0.0)
KINDS = ("recurrent", "present")


def generator(limits: GenerationLimits = LIMITS) -> Generator:
    return generator_of("recurrent", limits)[0]


class Told:
    """Whose tokens were told, in their order."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.names: list[str] = []

    async def follow(self, name: str, start: int, count: int, caller: Caller | None = None) -> None:
        stream = self._generator.stream(Prompt((start, 3)), GREEDY, count, in_s(20), caller or Caller())
        async for _ in stream:
            self.names.append(name)

    def longest_wait(self, name: str, others: str) -> int:
        """How many tokens of others were told between two of its own at most."""
        told = [place for place, each in enumerate(self.names) if each == name]
        return max(self.names[first:last].count(others) for first, last in itertools.pairwise(told))


async def test_a_prompt_is_read_and_answered_while_all_slots_step() -> None:
    told = Told(generator())
    first = told.follow("first", 0, 40), told.follow("first", 1, 40)
    await asyncio.gather(*first, told.follow("next", 2, 3))
    read = told.names.index("next")
    assert told.names[read:].count("first") > 70
    assert told.names[-2:] == ["next", "next"]


async def test_where_memory_is_bounded_no_prompt_is_read_before_a_slot_is_free() -> None:
    told = Told(generator(replace(LIMITS, cache_bytes=2**20)))
    first = told.follow("first", 0, 40), told.follow("first", 1, 40)
    await asyncio.gather(*first, told.follow("next", 2, 3))
    assert told.names == ["first"] * 80 + ["next"] * 3


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(
    widths=st.lists(st.integers(1, 3), min_size=2, max_size=9),
    slots=st.integers(3, 5),
    # A whole prompt in one run, or a token in each step.
    chunk=st.sampled_from([3, 1]),
)
def test_no_more_rows_step_than_there_are_slots_and_each_answer_is_the_lone_one(
    kind: str, widths: list[int], slots: int, chunk: int
) -> None:
    steps: list[int] = []

    def made(compute: Compute) -> FakeSession:
        def watched(feeds: Tensors) -> Tensors:
            tokens = next(iter(feeds.values()))
            if tokens.shape[1] == 1:
                steps.append(len(tokens))
            return compute(feeds)

        return FakeSession(watched)

    async def answers() -> list[object]:
        limits = replace(LIMITS, slots=slots, chunk=chunk)
        running, _ = generator_of(kind, limits, made=made)
        return await asyncio.gather(
            *(
                ids(running, prompt_of(kind, (number, 1, 2)), 5)
                if width == 1
                else running.search(prompt_of(kind, (number, 1, 2)), width, 0.0, 5, in_s(20))
                for number, width in enumerate(widths)
            )
        )

    found = asyncio.run(answers())
    assert max(steps) <= slots
    for number, (width, answer) in enumerate(zip(widths, found, strict=True)):
        if width == 1:
            assert answer == expected((number, 1, 2), 5)


async def test_a_client_that_comes_later_has_its_turn_and_then_steps_to_its_end() -> None:
    told = Told(generator(replace(LIMITS, slots=4)))
    many = [asyncio.create_task(told.follow("many", start % 9, 20, Caller("many"))) for start in range(60)]
    while told.names.count("many") < 8 * 20:  # noqa: ASYNC110  # the loop makes tokens meanwhile
        await asyncio.sleep(0)
    one = asyncio.create_task(told.follow("one", 5, 20, Caller("one")))
    await one
    assert not all(task.done() for task in many)
    assert told.names.count("many") < 25 * 20
    begun = told.names.index("one", told.names.index("one") + 1)
    told.names = told.names[begun:]
    assert told.longest_wait("one", "many") <= 4
    await asyncio.gather(*many)


async def test_who_steps_is_not_stopped_by_those_of_a_better_priority_who_come_later() -> None:
    told = Told(generator())
    running = [
        asyncio.create_task(told.follow(name, 1, 40, Caller("some", priority=5))) for name in ("a", "b")
    ]
    while told.names.count("b") < 10:  # noqa: ASYNC110  # the loop makes tokens meanwhile
        await asyncio.sleep(0)
    await asyncio.gather(*running, *(told.follow("better", start, 40, Caller("other")) for start in range(9)))
    assert max(told.longest_wait(name, "better") for name in ("a", "b")) <= 2


async def test_a_slow_reader_keeps_its_place_and_stops_nobody_when_it_goes_on() -> None:
    running = generator(replace(LIMITS, unread_tokens=4))
    told = Told(running)
    slow = running.stream(Prompt((9, 3)), GREEDY, 40, in_s(20))
    found = [(await anext(slow)).id]
    other = asyncio.create_task(told.follow("other", 1, 60))
    third = asyncio.create_task(told.follow("third", 2, 60))
    await other
    found += [token.id async for token in slow]
    await third
    assert found == expected((9, 3), 40)
    third_told = [place for place, name in enumerate(told.names) if name == "third"]
    assert told.names[third_told[1] :].count("other") == 0, (
        "it steps once the other has ended, and not before"
    )


@pytest.mark.parametrize("kind", ["present", "counting"])
async def test_who_has_a_better_priority_is_read_first(kind: str) -> None:
    running, session = generator_of(kind, GenerationLimits(inline_bound_s=60.0, beside_bound_s=float("inf")))
    long = (1,) * 1000
    others = [
        asyncio.create_task(ids(running, prompt_of(kind, (each, *long)), 1, caller=Caller("other")))
        for each in range(8)
    ]
    while len(session.batch_sizes) < 2:  # noqa: ASYNC110  # the loop reads meanwhile
        await asyncio.sleep(0)
    runs = len(session.batch_sizes)
    assert await ids(running, prompt_of(kind, (3,) * 8), 3, caller=Caller("one", priority=-5)) == expected(
        (3,) * 8, 3
    )
    assert len(session.batch_sizes) - runs <= 8, "and not when all others have been read"
    await asyncio.gather(*others)


async def test_who_has_a_better_priority_steps_before_those_who_have_read_ahead() -> None:
    told = Told(generator(replace(LIMITS, slots=4)))
    callers = Caller("other"), Caller("one", priority=-5)
    others = [
        asyncio.create_task(told.follow("other", start % 9, 20 + start, callers[0])) for start in range(20)
    ]
    while told.names.count("other") < 100:  # noqa: ASYNC110  # the loop makes tokens meanwhile
        await asyncio.sleep(0)
    await told.follow("one", 5, 2, callers[1])
    assert told.longest_wait("one", "other") < 4 * 20, "the next place that is free is its own"
    await asyncio.gather(*others)


async def test_a_prompt_is_read_at_once_where_all_who_step_are_paused() -> None:
    running = generator(replace(LIMITS, slots=8, unread_tokens=4))
    paused = [running.stream(Prompt((each, 3)), GREEDY, 100, in_s(20)) for each in range(8)]
    for stream in paused:
        await anext(stream)
    ahead = [asyncio.create_task(ids(running, Prompt((each, 4)), 5)) for each in range(2)]
    await turn_the_loop(300)
    assert (running.running, running.waiting) == (8, 2)
    one_token = (ids(running, Prompt((each, 5)), 1) for each in range(3))
    async with asyncio.timeout(5):
        assert await asyncio.gather(*one_token) == [expected((each, 5), 1) for each in range(3)]
    for task in ahead:
        task.cancel()
    for stream in paused:
        await stream.aclose()

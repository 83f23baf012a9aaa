"""Prompts that are read in a thread while others step: nobody waits, and nobody pays for another."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.domain import Array, Tensors
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from service.engine.runs import StepRecord
from service.errors import Internal
from tests.service.engine.generators import GRAPHS, GREEDY, expected, generator_of, ids, in_s, prompt_of
from tests.service.engine.step_models import RECURRENT, RECURRENT_SIGNATURE, VOCABULARY, recurrent
from tests.support.fakes import Compute, FakeSession, turn_the_loop


class SlowReading(FakeSession):
    """Runs that read more than one token wait for `opened`."""

    def __init__(self, compute: Compute) -> None:
        super().__init__(compute)
        self.opened = threading.Event()
        self.reading = threading.Event()

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        if next(iter(feeds.values())).shape[1] > 1:
            self.reading.set()
            assert self.opened.wait(10), "nobody let it read"
        return super().run(feeds, outputs)


BESIDE = GenerationLimits(inline_bound_s=60.0, beside_bound_s=0.0, chunk=4, deliver_each_s=0.0)


async def until(event: threading.Event) -> None:
    while not event.is_set():  # noqa: ASYNC110  # it is set in a thread
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["recurrent", "present"])
async def test_others_step_while_a_prompt_is_read_in_a_thread(kind: str) -> None:
    generator, session = generator_of(kind, BESIDE, made=SlowReading)
    assert isinstance(session, SlowReading)
    stepping = generator.stream(prompt_of(kind, (3,)), GREEDY, 200, in_s(20))
    found = [(await anext(stepping)).id]
    asked = tuple(range(1, 8))
    reading = asyncio.create_task(ids(generator, prompt_of(kind, asked), 30))
    await until(session.reading)
    found += [(await anext(stepping)).id for _ in range(40)]
    assert not reading.done()
    session.opened.set()
    alone, _ = generator_of(kind, GenerationLimits(inline_bound_s=60.0))
    assert await reading == await ids(alone, prompt_of(kind, asked), 30)
    found += [token.id async for token in stepping]
    assert found == await ids(alone, prompt_of(kind, (3,)), 200)


async def test_whoever_leaves_while_its_prompt_is_read_in_a_thread_frees_its_slot_at_once() -> None:
    generator, session = generator_of("recurrent", replace(BESIDE, slots=2), made=SlowReading)
    assert isinstance(session, SlowReading)
    stepping = generator.stream(Prompt((3,)), GREEDY, 400, in_s(20))
    await anext(stepping)
    gone = asyncio.create_task(ids(generator, Prompt((1, 2, 3, 4)), 30))
    await until(session.reading)
    gone.cancel()
    await turn_the_loop(10)
    assert generator.slots_in_use == 1
    session.opened.set()
    assert await ids(generator, Prompt((1, 2, 3, 4)), 30) == expected((1, 2, 3, 4), 30)
    await stepping.aclose()


async def test_a_failed_reading_in_a_thread_fails_only_whose_fault_it_is() -> None:
    generator, session = generator_of("recurrent", BESIDE)
    session.fail = RuntimeError("unreadable")
    session.fails = lambda feeds: feeds["ids"].shape[1] > 1 and bool((feeds["ids"] == VOCABULARY - 1).any())
    stepping = generator.stream(Prompt((3,)), GREEDY, 400, in_s(20))
    await anext(stepping)
    asked = [ids(generator, Prompt(tokens), 5) for tokens in ((1, 2, 3), (1, VOCABULARY - 1, 3), (2, 2))]
    good, bad, other = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(bad, Internal)
    assert (good, other) == (expected((1, 2, 3), 5), expected((2, 2), 5))
    await stepping.aclose()


async def test_unusable_outputs_of_a_reading_in_a_thread_fail_only_who_reads() -> None:
    def broken(feeds: Tensors) -> Tensors:
        cut = slice(0, None if feeds["ids"].shape[1] == 1 else 0)
        return {name: array if name == "logits" else array[cut] for name, array in recurrent(feeds).items()}

    generator = Generator(FakeSession(broken), RECURRENT, RECURRENT_SIGNATURE, BESIDE, end_id=None)
    stepping = generator.stream(Prompt((3,)), GREEDY, 100, in_s(20))
    found = [(await anext(stepping)).id]
    with pytest.raises(Internal):
        await ids(generator, Prompt((1, 2, 3)), 5)
    assert [*found, *[token.id async for token in stepping]] == expected((3,), 100)


async def test_a_reading_that_everyone_left_is_a_record_and_holds_nobody_up() -> None:
    graph, signature, compute = GRAPHS["recurrent"]
    records: list[StepRecord] = []
    session = SlowReading(compute)
    generator = Generator(session, graph, signature, BESIDE, end_id=None, on_step=records.append)
    stepping = generator.stream(Prompt((3,)), GREEDY, 4000, in_s(20))
    await anext(stepping)
    gone = asyncio.create_task(ids(generator, Prompt((1, 2, 3, 4)), 30))
    await until(session.reading)
    gone.cancel()
    later = asyncio.create_task(ids(generator, Prompt((4, 5, 6)), 3))
    for _ in range(200):  # while the thread is busy with nobody's prompt
        await anext(stepping)
    session.opened.set()
    assert await later == expected((4, 5, 6), 3)
    await stepping.aclose()
    # The later one is read so only if the first has not paused: nobody reads its tokens meanwhile.
    assert next(record.tokens for record in records if record.loop_s is None) == 4

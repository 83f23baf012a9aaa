"""What a sequence may not notice of its company: yielding, moving, pausing, sharing a prompt, a broken neighbour."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bundle import Signature, StateEntry, StepGraph
from service.domain import Caller, Sampling, Tensors
from service.engine.contracts import Prompt, Token
from service.engine.generator import GenerationLimits, Generator
from service.errors import Internal, TimedOut, TooLarge
from tests.service.engine.generators import GRAPHS, GREEDY, expected, generator_of, ids, in_s, prompt_of
from tests.service.engine.step_models import (
    ATTENTION_SIGNATURE,
    PRESENT,
    PRESENT_SIGNATURE,
    VOCABULARY,
    fold,
    logits_of,
    present,
)
from tests.support.fake_device import FakeDevice
from tests.support.fakes import Compute, FakeSession, turn_the_loop

TOKEN_BYTES = {"recurrent": 0, "attention": 4, "present": 8, "counting": 8}
ROW_BYTES = {"recurrent": 8, "attention": 0, "present": 0, "counting": 0}


@pytest.mark.parametrize("kind", ["attention", "present"])
async def test_who_yields_goes_on_as_if_nothing_had_been(kind: str) -> None:
    yielded: list[None] = []
    # Room for two rows of 32 tokens, or one of 64: two start, and cannot both stay.
    limits = GenerationLimits(cache_bytes=64 * TOKEN_BYTES[kind], inline_bound_s=60.0)
    generator, _ = generator_of(kind, limits, on_yield=lambda: yielded.append(None))
    sampling = Sampling(temperature=1.5, seed=3)
    prompts = [prompt_of(kind, (start, 2), start) for start in range(3)]
    found = await asyncio.gather(*(ids(generator, prompt, 40, sampling) for prompt in prompts))
    assert yielded
    for prompt, tokens in zip(prompts, found, strict=True):
        other, _ = generator_of(kind, GenerationLimits())
        assert tokens == await ids(other, prompt, 40, sampling)
    assert (generator.running, generator.waiting, generator.cache_bytes_in_use) == (0, 0, 0)


async def test_the_cache_is_never_fuller_than_its_bound() -> None:
    limits = GenerationLimits(cache_bytes=64 * TOKEN_BYTES["present"], inline_bound_s=60.0)
    generator, session = generator_of("present", limits)
    most = 0

    def watch(feeds: Tensors) -> Tensors:
        nonlocal most
        most = max(most, generator.cache_bytes_in_use)
        past = feeds["past_key_values.0.key"]
        assert past.nbytes <= 64 * TOKEN_BYTES["present"]
        return present(feeds)

    session._compute = watch
    await asyncio.gather(*(ids(generator, Prompt((start,)), 30) for start in range(6)))
    assert 0 < most <= 64 * TOKEN_BYTES["present"]


async def test_what_could_never_fit_the_cache_is_refused_at_the_door() -> None:
    generator, _ = generator_of("present", GenerationLimits(cache_bytes=64 * TOKEN_BYTES["present"]))
    with pytest.raises(TooLarge, match="cache"):
        await ids(generator, Prompt((1,)), 64)
    with pytest.raises(TooLarge):
        await generator.search(Prompt((1,)), 4, 0.6, 20, in_s(5))
    assert len(await ids(generator, Prompt((1,)), 63)) == 63


async def test_the_youngest_yields_first_and_a_higher_priority_stays() -> None:
    limits = GenerationLimits(cache_bytes=64 * TOKEN_BYTES["present"], inline_bound_s=60.0)
    generator, _ = generator_of("present", limits)
    finished: list[str] = []

    async def one(name: str, priority: int) -> None:
        await ids(generator, Prompt((1, len(name))), 40, caller=Caller("x", priority))
        finished.append(name)

    tasks = [asyncio.create_task(one("older", 0)), asyncio.create_task(one("urgent", -50))]
    await asyncio.gather(*tasks)
    assert finished == ["urgent", "older"]


async def test_a_slow_reader_holds_its_own_row_only_and_within_a_bound() -> None:
    generator, session = generator_of("recurrent", GenerationLimits(unread_tokens=8, inline_bound_s=60.0))
    slow = generator.stream(Prompt((1,)), GREEDY, 200, in_s(20))
    first = await anext(slow)
    quick = await ids(generator, Prompt((2,)), 50)
    assert len(quick) == 50
    await turn_the_loop(50)
    runs = len(session.batch_sizes)
    # Nobody is fed any more, and the loop does not spin either.
    await turn_the_loop(50)
    assert (generator.slots_in_use, len(session.batch_sizes)) == (1, runs)
    assert sum(session.batch_sizes) <= 50 + 1 + 8 + 8 // 2 + 1
    rest = [token.id async for token in slow]
    assert [first.id, *rest] == expected((1,), 200)


async def test_a_reader_who_never_comes_back_is_given_up() -> None:
    limits = GenerationLimits(unread_tokens=4, stall_s=0.02, inline_bound_s=60.0)
    generator, _ = generator_of("recurrent", limits)
    slow = generator.stream(Prompt((1,)), GREEDY, 200, in_s(20))
    first = await anext(slow)
    while generator.slots_in_use:  # noqa: ASYNC110  # nobody is told of a slot that becomes free
        await asyncio.sleep(0)
    read: list[int] = []

    async def read_on() -> None:
        async for token in slow:
            read.append(token.id)  # noqa: PERF401  # it ends with an error

    with pytest.raises(TimedOut, match="not read in time"):
        await read_on()
    assert [first.id, *read] == expected((1,), 200)[: 1 + len(read)]
    assert len(read) <= 4 + 4 // 2


async def test_one_prompt_is_read_once_for_all_who_ask_for_it_together() -> None:
    generator, session = generator_of("recurrent", GenerationLimits(chunk=4, inline_bound_s=60.0))
    prompt = Prompt(tuple(range(10)))
    samplings = [Sampling(temperature=1.2, seed=seed) for seed in range(4)]
    found = await asyncio.gather(*(ids(generator, prompt, 6, sampling) for sampling in samplings))
    assert session.batch_sizes == [1, 1, 1, 4, 4, 4, 4, 4]
    for sampling, tokens in zip(samplings, found, strict=True):
        other, _ = generator_of("recurrent", GenerationLimits())
        assert tokens == await ids(other, prompt, 6, sampling)


async def test_who_follows_reads_on_alone_if_the_first_leaves() -> None:
    generator, session = generator_of("recurrent", GenerationLimits(chunk=2))
    session.gate.clear()
    prompt = Prompt(tuple(range(10)))
    first = asyncio.create_task(ids(generator, prompt, 6))
    others = [asyncio.create_task(ids(generator, prompt, 6)) for _ in range(2)]
    assert await asyncio.to_thread(session.entered.wait, 5)
    first.cancel()
    session.gate.set()
    assert await asyncio.gather(*others) == [expected(prompt.tokens, 6)] * 2
    assert (generator.running, generator.slots_in_use) == (0, 0)


async def test_beams_read_their_prompt_once() -> None:
    generator, session = generator_of("recurrent", GenerationLimits(chunk=4, inline_bound_s=60.0))
    await generator.search(Prompt(tuple(range(8))), 3, 0.6, 3, in_s(5))
    assert session.batch_sizes == [1, 1, 3, 3]


async def test_numbers_that_are_none_do_not_outlive_their_sequence() -> None:
    """A NaN in a cache would show through the mask of whoever gets the row next."""
    poison = 7

    def poisoned(feeds: Tensors) -> Tensors:
        outputs = dict(present(feeds))
        bad = (feeds["input_ids"] == poison).any(axis=1)
        outputs["logits"] = np.where(bad[:, None, None], np.nan, outputs["logits"]).astype(np.float32)
        past = np.where(bad[:, None, None, None], np.nan, outputs["present.0.key"])
        outputs["present.0.key"] = past.astype(np.float32)
        assert not np.isnan(feeds["past_key_values.0.key"]).any()
        return outputs

    session = FakeSession(poisoned)
    generator = Generator(session, PRESENT, PRESENT_SIGNATURE, GenerationLimits(slots=1), end_id=None)
    with pytest.raises(Internal):
        await ids(generator, Prompt((1, poison)), 3)
    assert len(await ids(generator, Prompt((1, 2)), 3)) == 3


# A cache without any mask: rows of one age only may share a run.
UNMASKED = StepGraph(
    signature="step",
    tokens="ids",
    logits="logits",
    state=(StateEntry(input="past", output="new", mode="append", axis=1),),
)
UNMASKED_SIGNATURE = Signature(
    file="step.onnx",
    saved_model_signature="step",
    inputs=tuple(ATTENTION_SIGNATURE.input(name) for name in ("ids", "past")),
    outputs=ATTENTION_SIGNATURE.outputs,
)


def unmasked(feeds: Tensors) -> Tensors:
    histories = np.concatenate([feeds["past"][..., 0], feeds["ids"]], axis=1).astype(int)
    return {
        "logits": logits_of([fold(0, history.tolist()) for history in histories]),
        "new": feeds["ids"].astype(np.float32)[:, :, None],
    }


async def test_rows_of_a_cache_without_a_mask_share_a_run_with_those_of_their_age() -> None:
    session = FakeSession(unmasked)
    generator = Generator(session, UNMASKED, UNMASKED_SIGNATURE, GenerationLimits(), end_id=None)
    prompts = [(1, 2, 3), (4, 5, 6), (7,), (8, 9)]
    found = await asyncio.gather(*(ids(generator, Prompt(prompt), 25) for prompt in prompts))
    assert found == [expected(prompt, 25) for prompt in prompts]
    assert max(session.batch_sizes) >= 2


async def test_tokens_are_told_within_the_bound_though_every_round_reads_a_prompt() -> None:
    limits = GenerationLimits(
        inline_bound_s=60.0, beside_bound_s=math.inf, chunk=2, deliver_each_s=1e9, unread_tokens=8
    )
    generator, session = generator_of("recurrent", limits)
    stepping = generator.stream(Prompt((3,)), GREEDY, 400, in_s(20))
    await anext(stepping)
    reading = asyncio.create_task(ids(generator, Prompt((1, 2) * 200), 1))
    waiting = asyncio.create_task(anext(stepping))
    begun = len(session.batch_sizes)
    while not waiting.done():  # noqa: ASYNC110  # each turn is looked at
        await asyncio.sleep(0)
    assert len(session.batch_sizes) - begun <= 2 * 8
    assert not reading.done()
    await asyncio.gather(stepping.aclose(), reading)


@dataclass(frozen=True)
class Asked:
    """One sequence of a crowd: `slow` readers stop for `pauses` after each token, who will `leave` reads only one."""

    tokens: tuple[int, ...]
    count: int
    fate: str
    pauses: int
    caller: Caller

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=1.3, seed=self.count) if self.fate == "sampled" else GREEDY


ASKED = st.builds(
    Asked,
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=7).map(tuple),
    st.sampled_from([40, 3, 38, 20]),
    st.sampled_from(["sampled", "greedy", "beams", "slow", "leave"]),
    st.integers(0, 3),
    st.builds(Caller, st.sampled_from(["", "a", "b"]), st.integers(-2, 2)),
)


async def _answer(generator: Generator, asked: Asked, prompt: Prompt) -> object:
    if asked.fate == "beams":
        best = await generator.search(prompt, 2, 0.6, asked.count, in_s(20), asked.caller)
        return best.tokens, best.finish_reason
    found: list[Token] = []
    stream = generator.stream(prompt, asked.sampling, asked.count, in_s(20), asked.caller)
    async for token in stream:
        found.append(token)
        if asked.fate == "leave":
            break
        if asked.fate == "slow":
            await turn_the_loop(5 * asked.pauses)
    await stream.aclose()
    return [token.id for token in found]


async def _together(
    kind: str, crowd: list[Asked], limits: GenerationLimits, made: Callable[[Compute], FakeSession]
) -> list[object]:
    generator, _ = generator_of(kind, limits, made=made)
    tasks = []
    for number, asked in enumerate(crowd):
        tasks.append(asyncio.create_task(_answer(generator, asked, prompt_of(kind, asked.tokens, number))))
        await turn_the_loop(asked.pauses)
    found = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    await turn_the_loop(5)
    assert (generator.running, generator.waiting, generator.slots_in_use) == (0, 0, 0)
    return list(found)


CROWD = st.lists(ASKED, min_size=3, max_size=7)


@pytest.mark.parametrize("kind", list(GRAPHS))
@settings(deadline=None, max_examples=20)
@given(crowd=CROWD, slots=st.integers(3, 6), rows=st.integers(2, 3))
def test_any_company_gives_the_lone_answer(kind: str, crowd: list[Asked], slots: int, rows: int) -> None:
    _same_alone(kind, crowd, slots, rows, FakeSession)


@pytest.mark.parametrize("kind", list(GRAPHS))
@settings(deadline=None, max_examples=5)
@given(crowd=CROWD, slots=st.integers(3, 6), rows=st.integers(2, 3))
def test_any_company_on_a_device_gives_the_lone_answer_of_the_host(
    kind: str, crowd: list[Asked], slots: int, rows: int
) -> None:
    _same_alone(kind, crowd, slots, rows, FakeDevice)


@pytest.mark.parametrize("kind", list(GRAPHS))
@settings(deadline=None, max_examples=10)
@given(crowd=CROWD, slots=st.integers(3, 6), rows=st.integers(2, 3))
def test_any_company_that_reads_in_a_thread_gives_the_lone_answer(
    kind: str, crowd: list[Asked], slots: int, rows: int
) -> None:
    _same_alone(kind, crowd, slots, rows, FakeSession, beside_bound_s=0.0)


def _same_alone(  # what a crowd asks for, and of what
    kind: str,
    crowd: list[Asked],
    slots: int,
    rows: int,
    made: Callable[[Compute], FakeSession],
    beside_bound_s: float = math.inf,
) -> None:
    # The longest sequence of two beams fits alone; more of them do not always.
    cache = rows * (ROW_BYTES[kind] + 64 * TOKEN_BYTES[kind])
    limits = GenerationLimits(
        slots=slots, chunk=3, read_tokens=8, cache_bytes=cache, unread_tokens=4, inline_bound_s=60.0,
        beside_bound_s=beside_bound_s,
    )  # fmt: skip
    found = asyncio.run(_together(kind, crowd, limits, made))
    for number, asked in enumerate(crowd):
        if asked.fate != "leave":
            generator, _ = generator_of(kind, GenerationLimits(inline_bound_s=60.0))
            prompt = prompt_of(kind, asked.tokens, number)
            assert found[number] == asyncio.run(_answer(generator, asked, prompt))

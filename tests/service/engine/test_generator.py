"""The generator's promises, over two graphs whose next token is a function of a row's own history."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from service.domain import Sampling, Tensors
from service.engine.contracts import Hypothesis, Prompt, Token
from service.engine.generator import GenerationLimits, Generator
from service.engine.runs import StepRecord
from service.errors import Internal, Invalid, Overloaded, TimedOut, Unavailable
from tests.service.engine.generators import GREEDY, expected, in_s
from tests.service.engine.step_models import (
    ATTENTION,
    ATTENTION_SIGNATURE,
    RECURRENT,
    RECURRENT_SIGNATURE,
    VOCABULARY,
    attention,
    fold,
    logits_of,
    recurrent,
)
from tests.support.fakes import FakeSession

LIMITS = GenerationLimits()


def recurrent_generator(
    session: FakeSession, limits: GenerationLimits = LIMITS, end_id: int | None = None
) -> Generator:
    return Generator(session, RECURRENT, RECURRENT_SIGNATURE, limits, end_id=end_id)


async def collect(
    generator: Generator,
    prompt: Prompt,
    count: int,
    sampling: Sampling = GREEDY,
    timeout_s: float = 20.0,
) -> list[Token]:
    return [token async for token in generator.stream(prompt, sampling, count, in_s(timeout_s))]


def ids(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens]


async def idle(generator: Generator) -> None:
    while generator.slots_in_use or generator.waiting:  # noqa: ASYNC110  # nobody is told of an idle loop
        await asyncio.sleep(0)


async def test_a_sequence_continues_its_whole_history() -> None:
    tokens = await collect(recurrent_generator(FakeSession(recurrent)), Prompt((1, 2, 3)), 12)
    assert ids(tokens) == expected((1, 2, 3), 12, None)
    assert [token.finish_reason for token in tokens] == [None] * 11 + ["length"]


async def test_the_end_token_ends_it() -> None:
    alone = expected((4,), 30, None)
    end_id = alone[5]
    tokens = await collect(recurrent_generator(FakeSession(recurrent), end_id=end_id), Prompt((4,)), 30)
    assert ids(tokens) == alone[: alone.index(end_id) + 1]
    assert tokens[-1].finish_reason == "stop"


async def test_sequences_that_run_together_share_their_steps() -> None:
    session = FakeSession(recurrent)
    generator = recurrent_generator(session)
    await asyncio.gather(*(collect(generator, Prompt((start,)), 5) for start in range(4)))
    assert session.batch_sizes == [4] * 5


async def test_a_long_prompt_is_read_in_chunks_while_others_go_on() -> None:
    session = FakeSession(recurrent)
    generator = recurrent_generator(session, GenerationLimits(chunk=4))
    prompt = tuple(range(10))
    short, long = await asyncio.gather(
        collect(generator, Prompt((1,)), 6), collect(generator, Prompt(prompt), 2)
    )
    assert (ids(short), ids(long)) == (expected((1,), 6, None), expected(prompt, 2, None))
    assert max(feeds["ids"].shape[1] for feeds in session.feeds) == 4


async def test_those_who_find_no_slot_wait_their_turn() -> None:
    session = FakeSession(recurrent)
    generator = recurrent_generator(session, GenerationLimits(slots=2))
    prompts = [(start, start) for start in range(5)]
    found = await asyncio.gather(*(collect(generator, Prompt(prompt), 4) for prompt in prompts))
    assert [ids(tokens) for tokens in found] == [expected(prompt, 4, None) for prompt in prompts]
    steps = [feeds["ids"] for feeds in session.feeds if feeds["ids"].shape[1] == 1]
    assert max(map(len, steps)) == 2


async def test_a_caller_who_leaves_frees_the_slot_before_the_next_step() -> None:
    session = FakeSession(recurrent)
    generator = recurrent_generator(session, GenerationLimits(slots=1))
    stream = generator.stream(Prompt((1,)), GREEDY, 1000, in_s(20))
    await anext(stream)
    waiting = asyncio.create_task(collect(generator, Prompt((2,)), 3))
    steps = len(session.batch_sizes)
    await stream.aclose()
    assert ids(await waiting) == expected((2,), 3, None)
    assert len(session.batch_sizes) <= steps + 1 + 3
    await idle(generator)


async def test_an_abandoned_stream_costs_nothing_more() -> None:
    session = FakeSession(recurrent)
    generator = recurrent_generator(session)
    task = asyncio.create_task(collect(generator, Prompt((1,)), 10_000))
    while not session.batch_sizes:  # noqa: ASYNC110  # the fake runs in a thread first
        await asyncio.sleep(0)
    task.cancel()
    await idle(generator)
    assert len(session.batch_sizes) < 10_000


async def test_sampling_with_a_seed_does_not_depend_on_company() -> None:
    sampling = Sampling(temperature=1.5, top_k=5, seed=42)
    alone = await collect(recurrent_generator(FakeSession(recurrent)), Prompt((7,)), 20, sampling)
    crowded = recurrent_generator(FakeSession(recurrent), GenerationLimits(slots=3))
    noise = [collect(crowded, Prompt((n,)), 5 + n, Sampling(temperature=2.0)) for n in range(6)]
    found, *_ = await asyncio.gather(collect(crowded, Prompt((7,)), 20, sampling), *noise)
    assert ids(found) == ids(alone)


async def test_logprobs_are_those_of_the_whole_distribution() -> None:
    generator = recurrent_generator(FakeSession(recurrent))
    ranked = Sampling(temperature=0.0, ranked=True)
    (token,), (silent,) = await asyncio.gather(
        collect(generator, Prompt((3,)), 1, ranked), collect(generator, Prompt((3,)), 1)
    )
    assert (silent.id, silent.logprob) == (token.id, None), "nobody asked for it"
    logits = logits_of([fold(0, [3])])[0].astype(np.float64)
    assert token.logprob == pytest.approx(logits.max() - np.log(np.exp(logits).sum()))


async def test_a_scored_prompt_is_told_token_by_token_and_goes_on_as_if_it_had_been_read_at_once() -> None:
    generator = recurrent_generator(FakeSession(recurrent))
    prompt = Prompt((3,), scored=(7, 2))
    found, plain = await asyncio.gather(
        collect(generator, prompt, 4),
        collect(generator, Prompt((3, 7, 2)), 4, Sampling(temperature=0.0, ranked=True)),
    )
    assert ids(found) == [7, 2, *ids(plain)]
    assert [token.logprob for token in found[2:]] == [token.logprob for token in plain]
    for place, token in enumerate((7, 2), start=1):
        logits = logits_of([fold(0, (3, 7, 2)[:place])])[0].astype(np.float64)
        assert found[place - 1].logprob == pytest.approx(logits[token] - np.log(np.exp(logits).sum()))
    (first, last) = await collect(generator, prompt, 0)
    assert (first.finish_reason, last.finish_reason) == (None, "length")
    await idle(generator)
    assert generator.slots_in_use == 0


async def test_one_bad_sequence_does_not_fail_its_neighbours() -> None:
    session = FakeSession(recurrent)
    session.fail = RuntimeError("token 10 is out of bounds")
    session.fails = lambda feeds: bool((feeds["ids"][:, 0] == 10).any() and feeds["h"].min() == 0)
    generator = recurrent_generator(session)
    good, bad = await asyncio.gather(
        collect(generator, Prompt((1,)), 4), collect(generator, Prompt((10,)), 4), return_exceptions=True
    )
    assert isinstance(good, list)
    assert ids(good) == expected((1,), 4, None)
    assert isinstance(bad, Internal)
    await idle(generator)


@pytest.mark.parametrize("beams", [0, 2])
async def test_logits_that_are_not_numbers_fail_only_their_own_sequence(beams: int) -> None:
    wanted = expected((1,), 4, None)
    poison = next(token for token in range(1, 9) if token not in {1, *wanted})

    def sometimes_nan(feeds: Tensors) -> Tensors:
        outputs = dict(recurrent(feeds))
        poisoned = (feeds["ids"] == poison).any(axis=1)[:, None]
        outputs["logits"] = np.where(poisoned, np.nan, outputs["logits"]).astype(np.float32)
        return outputs

    generator = recurrent_generator(FakeSession(sometimes_nan), end_id=None)
    bad = (
        generator.search(Prompt((poison,)), beams, 0.6, 3, in_s(9))
        if beams
        else collect(generator, Prompt((poison,)), 3)
    )
    good, failed = await asyncio.gather(collect(generator, Prompt((1,)), 4), bad, return_exceptions=True)
    assert isinstance(failed, Internal)
    assert not isinstance(good, BaseException)
    assert ids(good) == wanted
    await idle(generator)


async def test_a_full_waiting_room_refuses() -> None:
    session = FakeSession(recurrent)
    session.gate.clear()
    generator = recurrent_generator(session, GenerationLimits(slots=1, max_waiting=1))
    running = asyncio.create_task(collect(generator, Prompt((1,)), 2))
    assert await asyncio.to_thread(session.entered.wait, 5)
    waiting = asyncio.create_task(collect(generator, Prompt((2,)), 2))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await collect(generator, Prompt((3,)), 2)
    session.gate.set()
    assert [ids(await each) for each in (running, waiting)] == [
        expected((start,), 2, None) for start in (1, 2)
    ]


async def test_a_passed_deadline_ends_a_running_and_a_waiting_sequence() -> None:
    generator = recurrent_generator(FakeSession(recurrent), GenerationLimits(slots=1))
    running = asyncio.create_task(collect(generator, Prompt((1,)), 10**9, timeout_s=0.05))
    waiting = asyncio.create_task(collect(generator, Prompt((2,)), 3, timeout_s=0.02))
    found = await asyncio.gather(running, waiting, return_exceptions=True)
    assert [type(each) for each in found] == [TimedOut, TimedOut]
    with pytest.raises(TimedOut):
        await collect(generator, Prompt((1,)), 1, timeout_s=0.0)
    await idle(generator)


async def test_closing_answers_everyone() -> None:
    generator = recurrent_generator(FakeSession(recurrent), GenerationLimits(slots=1))
    stream = generator.stream(Prompt((1,)), GREEDY, 10**9, in_s(20))
    await anext(stream)
    waiting = asyncio.create_task(collect(generator, Prompt((2,)), 3))
    await asyncio.sleep(0)
    generator.close()
    generator.close()
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await collect(generator, Prompt((3,)), 1)


async def test_each_step_is_recorded() -> None:
    records: list[StepRecord] = []
    generator = Generator(
        FakeSession(recurrent),
        RECURRENT,
        RECURRENT_SIGNATURE,
        GenerationLimits(),
        end_id=None,
        on_step=records.append,
    )
    await collect(generator, Prompt((1, 2, 3)), 3)
    assert [(record.rows, record.tokens, record.failed) for record in records] == [
        (1, 3, False),
        (1, 1, False),
        (1, 1, False),
    ]


async def test_more_beams_than_slots_are_refused() -> None:
    generator = recurrent_generator(FakeSession(recurrent), GenerationLimits(slots=2))
    with pytest.raises(Invalid) as caught:
        await generator.search(Prompt((1,)), 3, 0.6, 5, in_s(5))
    assert caught.value.field == "beams"


async def test_beams_follow_their_parents_state() -> None:
    """Four beams of a generator find what four beams over the recomputed histories find."""
    end_id = 3
    for start in range(5):
        generator = recurrent_generator(FakeSession(recurrent), end_id=end_id)
        found = await generator.search(Prompt((start,)), 4, 0.6, 6, in_s(20))
        best = _reference_beams((start,), 4, 0.6, 6, end_id)
        assert (found.tokens, found.finish_reason) == (best.tokens, best.finish_reason)
        assert found.score == pytest.approx(best.score)


def _reference_beams(
    prompt: tuple[int, ...], beams: int, alpha: float, steps: int, end_id: int
) -> Hypothesis:
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[Hypothesis] = []
    for _ in range(steps):
        candidates = []
        for tokens, total in live:
            logits = logits_of([fold(0, [*prompt, *tokens])])[0].astype(np.float64)
            logprobs = logits - np.log(np.exp(logits).sum())
            candidates += [((*tokens, token), total + logprobs[token]) for token in range(VOCABULARY)]
        best = sorted(candidates, key=lambda pair: -pair[1])[: 2 * beams]
        for rank, (tokens, total) in enumerate(best):
            if tokens[-1] == end_id and rank < beams:
                penalty = ((5 + len(tokens)) / 6) ** alpha
                finished.append(Hypothesis(tokens[:-1], total / penalty, "stop"))
        live = [(tokens, total) for tokens, total in best if tokens[-1] != end_id][:beams]
        if len(finished) >= beams:
            break
    if finished:
        return max(finished, key=lambda each: each.score)
    tokens, total = max(live, key=lambda pair: pair[1])
    return Hypothesis(tokens, total / ((5 + len(tokens)) / 6) ** alpha, "length")


async def test_a_cache_grows_beyond_its_first_room() -> None:
    generator = Generator(
        FakeSession(attention), ATTENTION, ATTENTION_SIGNATURE, GenerationLimits(slots=2), end_id=None
    )
    prompt = Prompt((1,), {"source": np.ones(1, np.float32)})
    assert ids(await collect(generator, prompt, 100)) == expected((1,), 100, None, source=1)


async def test_a_prompt_of_one_token_is_a_step_like_any_other_and_its_answer_is_told_at_once() -> None:
    session = FakeSession(attention)
    limits = GenerationLimits(slots=2, inline_bound_s=60.0, deliver_each_s=1e9)
    generator = Generator(session, ATTENTION, ATTENTION_SIGNATURE, limits, end_id=None)
    first = generator.stream(Prompt((1,), {"source": np.ones(1, np.float32)}), GREEDY, 50, in_s(20))
    begun = await anext(first)
    second = generator.stream(Prompt((2,), {"source": np.ones(1, np.float32)}), GREEDY, 50, in_s(20))
    runs = len(session.batch_sizes)
    assert (await anext(second)).id == expected((2,), 1, None, source=1)[0]
    assert set(session.batch_sizes[runs + 1 :]) <= {2}, "it shares the steps of who runs"
    rest = [begun.id, *[token.id async for token in first]]
    assert rest == expected((1,), 50, None, source=1)
    await second.aclose()

"""Rows that step on for nobody until some sequences leave together: nobody may notice them."""

import asyncio
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain import Sampling, Tensors
from service.engine import scheduling
from service.engine.generator import GenerationLimits
from service.engine.scheduling import IDLE, IDLE_ROUNDS, stay_idle
from tests.service.engine.generators import GRAPHS, GREEDY, expected, generator_of, ids, prompt_of
from tests.service.engine.step_models import VOCABULARY, attention
from tests.support.fakes import Compute, FakeSession

SEQUENCES = st.lists(
    st.tuples(
        st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5).map(tuple),
        st.integers(1, 20),
        st.sampled_from([GREEDY, Sampling(temperature=0.0, logprobs=1)]),
    ),
    min_size=2,
    max_size=9,
)


def test_a_few_rows_stay_for_a_few_rounds_while_others_wait() -> None:
    assert stay_idle(stepping=2 * IDLE, finished=2, waiting=1, rounds=0)
    assert not stay_idle(stepping=2 * IDLE, finished=3, waiting=1, rounds=0)
    assert not stay_idle(stepping=2 * IDLE, finished=1, waiting=0, rounds=0)
    assert not stay_idle(stepping=2 * IDLE, finished=1, waiting=1, rounds=IDLE_ROUNDS)


@pytest.mark.parametrize("kind", GRAPHS)
@settings(deadline=None, max_examples=40)
@given(sequences=SEQUENCES, slots=st.integers(1, 4), rounds=st.integers(1, 5))
def test_whoever_steps_beside_idle_rows_gets_the_lone_answer(
    kind: str, sequences: list[tuple[tuple[int, ...], int, Sampling]], slots: int, rounds: int
) -> None:
    async def made() -> list[list[int]]:
        generator, _ = generator_of(kind, GenerationLimits(slots=slots, inline_bound_s=60.0))
        answers = (
            ids(generator, prompt_of(kind, prompt), count, sampling) for prompt, count, sampling in sequences
        )
        return await asyncio.gather(*answers)

    with mock.patch.multiple(scheduling, IDLE=1, IDLE_ROUNDS=rounds):
        found = asyncio.run(made())
    assert found == [expected(prompt, count) for prompt, count, _ in sequences]


@pytest.mark.parametrize(("waiting", "begun"), [(0, IDLE), (1, IDLE + 2)])
async def test_an_idle_row_begins_anew_so_that_it_never_leaves_the_places_that_a_model_knows(
    waiting: int, begun: int
) -> None:
    positions: list[int] = []

    def watched(feeds: Tensors) -> Tensors:
        positions.extend(feeds["positions"][:, 0].tolist())
        return attention(feeds)

    def made(_: Compute) -> FakeSession:
        return FakeSession(watched)

    limits = GenerationLimits(slots=IDLE, inline_bound_s=60.0)
    generator, _ = generator_of("attention", limits, made=made)
    prompt = prompt_of("attention", (1,))
    counts = [3, *[30] * (IDLE - 1), *[2] * waiting]
    await asyncio.gather(*(ids(generator, prompt, count) for count in counts))
    assert positions.count(0) == begun, "all who start, and the row that is idle"

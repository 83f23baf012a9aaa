"""Whoever comes and goes whenever: each sequence gets what it would get alone."""

import asyncio
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from tests.service.engine.generators import GRAPHS, GREEDY, expected, in_s
from tests.service.engine.step_models import VOCABULARY
from tests.support.fakes import FakeSession

END_ID = 5


class Arrival(NamedTuple):
    """A prompt, how many tokens are wanted, so many turns of the loop before the next comes, and who leaves early."""

    prompt: tuple[int, ...]
    count: int
    turns: int
    leaves: bool


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=9).map(tuple),
        st.integers(1, 12),
        st.integers(0, 4),
        st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=10,
)


def source_of(kind: str, number: int) -> np.ndarray:
    """The context of a sequence, of another length than its neighbours'; only one kind of graph has any."""
    return np.full(1 + number % 3, number, np.float32) if kind == "attention" else np.zeros(0, np.float32)


async def interleave(generator: Generator, kind: str, arrivals: list[Arrival]) -> list[list[int]]:
    """Start each sequence some turns after the one before; some leave after their first token."""

    async def answer(arrival: Arrival, source: np.ndarray) -> list[int]:
        prompt = Prompt(arrival.prompt, {"source": source} if len(source) else {})
        stream = generator.stream(prompt, GREEDY, arrival.count, in_s(20))
        if arrival.leaves:
            first = await anext(stream)
            await stream.aclose()
            return [first.id]
        return [token.id async for token in stream]

    tasks = []
    for number, arrival in enumerate(arrivals):
        tasks.append(asyncio.create_task(answer(arrival, source_of(kind, number))))
        for _ in range(arrival.turns):
            await asyncio.sleep(0)
    found = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    while generator.slots_in_use or generator.waiting:  # noqa: ASYNC110  # nobody is told of an idle loop
        await asyncio.sleep(0)
    return found


@pytest.mark.parametrize("kind", GRAPHS)
@settings(deadline=None, max_examples=40)
@given(arrivals=ARRIVALS, slots=st.integers(1, 5), chunk=st.integers(1, 6))
def test_any_interleaving_gives_the_lone_answers(
    kind: str, arrivals: list[Arrival], slots: int, chunk: int
) -> None:
    async def answers() -> list[list[int]]:
        graph, signature, compute = GRAPHS[kind]
        limits = GenerationLimits(slots=slots, chunk=chunk, inline_bound_s=60.0)
        generator = Generator(FakeSession(compute), graph, signature, limits, end_id=END_ID)
        try:
            return await interleave(generator, kind, arrivals)
        finally:
            generator.close()

    for number, (arrival, tokens) in enumerate(zip(arrivals, asyncio.run(answers()), strict=True)):
        alone = expected(arrival.prompt, arrival.count, END_ID, int(source_of(kind, number).sum()))
        assert tokens == (alone[:1] if arrival.leaves else alone)

"""Generators over the small step graphs of these tests, and what their sequences give alone."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from service.domain import Caller, Sampling
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from tests.service.engine.step_models import (
    ATTENTION,
    ATTENTION_SIGNATURE,
    COUNTING,
    COUNTING_SIGNATURE,
    PRESENT,
    PRESENT_SIGNATURE,
    RECURRENT,
    RECURRENT_SIGNATURE,
    attention,
    counting,
    fold,
    logits_of,
    present,
    recurrent,
)
from tests.support.fakes import Compute, FakeSession

GREEDY = Sampling(temperature=0.0)
GRAPHS = {
    "recurrent": (RECURRENT, RECURRENT_SIGNATURE, recurrent),
    "attention": (ATTENTION, ATTENTION_SIGNATURE, attention),
    "present": (PRESENT, PRESENT_SIGNATURE, present),
    "counting": (COUNTING, COUNTING_SIGNATURE, counting),
}


def generator_of(
    kind: str,
    limits: GenerationLimits,
    end_id: int | None = None,
    on_yield: Callable[[], None] = lambda: None,
    made: Callable[[Compute], FakeSession] = FakeSession,
) -> tuple[Generator, FakeSession]:
    graph, signature, compute = GRAPHS[kind]
    session = made(compute)
    return Generator(session, graph, signature, limits, end_id=end_id, on_yield=on_yield), session


def prompt_of(kind: str, tokens: tuple[int, ...], source: int = 0) -> Prompt:
    return Prompt(tokens, {"source": np.array([source], np.float32)} if kind == "attention" else {})


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def ids(
    generator: Generator,
    prompt: Prompt,
    count: int,
    sampling: Sampling = GREEDY,
    caller: Caller | None = None,
) -> list[int]:
    stream = generator.stream(prompt, sampling, count, in_s(20), caller or Caller())
    return [token.id async for token in stream]


def expected(prompt: Sequence[int], count: int, end_id: int | None = None, source: int = 0) -> list[int]:
    """What greedy generation must give for a sequence alone."""
    tokens: list[int] = []
    while len(tokens) < count:
        tokens.append(int(logits_of([fold(source, [*prompt, *tokens])])[0].argmax()))
        if tokens[-1] == end_id:
            break
    return tokens

"""Three ways to serve a trace of requests: one at a time, in static batches, and by the engine's generator.

Knows arrivals and clocks; knows nothing of graphs. Each returns what every request saw, in the trace's order, and all
three give the same tokens.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import uvloop

from loadtests.generation.arrivals import arrivals
from loadtests.generation.bare import decode
from loadtests.generation.figures import Served
from loadtests.generation.subject import Subject
from loadtests.generation.trace import Request
from service.bundle import Translate
from service.domain import Sampling
from service.engine.batcher import Batcher
from service.engine.batching import BatchLimits
from service.engine.contracts import Prompt, Token
from service.engine.generator import GenerationLimits, Generator
from service.engine.runs import StepRecord
from service.engine.sequence import Outbox
from service.tasks.encoding import Encoding

OnStep = Callable[[StepRecord], None]
GREEDY = Sampling(temperature=0.0)
NEVER_S = 1e12
TELL_S = 0.004
"""So seldom that readers cost next to nothing; the engine tells that of a lone sequence much sooner."""
LEAD_S = 0.2
"""So long before the first request comes is a trace begun: the process that lets them come must have started."""


@dataclass(frozen=True, slots=True)
class Batches:
    """A static batch is served when it has `rows`, or when its oldest request has waited for `timeout_s`."""

    rows: int = 32
    timeout_s: float = 0.02


def bare_loop(subject: Subject, trace: Sequence[Request]) -> list[Served]:
    """Run one request after another and hand nothing to anybody: the most that one at a time could ever reach."""
    served = [Served(time.perf_counter()) for _ in trace]
    for request, seen in zip(trace, served, strict=True):
        for made in decode(subject, [request]):
            seen.tell(made[0][1], time.perf_counter())
    return served


def one_at_a_time(subject: Subject, trace: Sequence[Request]) -> list[Served]:
    """Serve each request alone from its first to its last token, in the order of arrival."""
    return static_batches(subject, trace, Batches(rows=1))


def static_batches(subject: Subject, trace: Sequence[Request], batches: Batches) -> list[Served]:
    """Serve batches one after another, each until its longest request ends; nobody joins on the way."""
    return uvloop.run(_static(subject, trace, batches))


async def _static(subject: Subject, trace: Sequence[Request], batches: Batches) -> list[Served]:
    start_s = time.perf_counter() + LEAD_S
    served = [Served(start_s + request.at_s) for request in trace]
    outboxes = [Outbox() for _ in trace]
    first = 0
    async with asyncio.TaskGroup() as readers:
        for outbox, seen in zip(outboxes, served, strict=True):
            readers.create_task(_read(outbox, seen))
        while first < len(trace):
            last = _filled(served, first, batches)
            await _tell(decode(subject, trace[first:last]), outboxes[first:last])
            first = last
    return served


async def _tell(runs: Iterator[list[tuple[int, int]]], outboxes: Sequence[Outbox]) -> None:
    """Hand tokens to their readers: the first at once, the others every `TELL_S`."""
    untold: list[list[Token]] = [[] for _ in outboxes]
    told_at_s = -math.inf
    for made in runs:
        for row, token in made:
            untold[row].append(Token(token))
        now_s = time.perf_counter()
        if now_s - told_at_s >= TELL_S:
            told_at_s = now_s
            for outbox, tokens in zip(outboxes, untold, strict=True):
                if tokens:
                    outbox.put(*tokens)
                    tokens.clear()
            await asyncio.sleep(0)
    for outbox, tokens in zip(outboxes, untold, strict=True):
        outbox.put(*tokens, Token(0, finish_reason="stop"))
    await asyncio.sleep(0)


async def _read(outbox: Outbox, seen: Served) -> None:
    while True:
        while not outbox.items:
            await outbox.filled()
        token = outbox.items.popleft()
        assert isinstance(token, Token)
        if token.finish_reason is not None:
            return
        seen.tell(token.id, time.perf_counter())


def _filled(served: Sequence[Served], first: int, batches: Batches) -> int:
    """Wait until the batch that begins with `first` is full or has waited enough; return where it ends."""
    full = min(first + batches.rows, len(served))
    ready_s = min(served[full - 1].arrived_at_s, served[first].arrived_at_s + batches.timeout_s)
    time.sleep(max(0.0, ready_s - time.perf_counter()))
    now_s, last = time.perf_counter(), first + 1
    while last < full and served[last].arrived_at_s <= now_s:
        last += 1
    return last


def continuous(
    subject: Subject,
    trace: Sequence[Request],
    slots: int,
    on_step: OnStep = lambda _: None,
    *,
    ends: bool = True,
) -> list[Served]:
    """Serve by the engine: a batcher for the encoder, the generator for the steps, each of which `on_step` hears of.

    Without `ends`, sequences go on over the token that ends one.
    """
    end_id = subject.task.end_id if ends else None
    limits = GenerationLimits(slots=slots, max_waiting=len(trace))

    def generator() -> Generator:
        return Generator(
            subject.engine_step, subject.task.step, subject.signature, limits, end_id=end_id, on_step=on_step
        )

    return uvloop.run(_continuous(subject, trace, generator))


async def _continuous(
    subject: Subject, trace: Sequence[Request], make: Callable[[], Generator]
) -> list[Served]:
    generator = make()
    encoder = _encoder(subject, len(trace))
    prompt_of = _prompts(subject, encoder)

    async def serve(request: Request, seen: Served, comes: asyncio.Future[None]) -> None:
        await comes
        prompt = await prompt_of(request)
        async for token in generator.stream(prompt, GREEDY, request.max_tokens, NEVER_S):
            seen.tell(token.id, time.perf_counter())

    start_s = time.perf_counter() + LEAD_S
    served = [Served(start_s + request.at_s) for request in trace]
    loop, begun = asyncio.get_running_loop(), 0
    coming = [loop.create_future() for _ in trace]
    async with asyncio.TaskGroup() as callers:
        # As the readers of static batches, clients are there before the first request comes.
        for each in zip(trace, served, coming, strict=True):
            callers.create_task(serve(*each))
        async for came in arrivals([each.arrived_at_s for each in served]):
            for comes in coming[begun:came]:
                comes.set_result(None)
            begun = came
    generator.close()
    if encoder is not None:
        encoder.close()
    return served


def _encoder(subject: Subject, callers: int) -> Batcher | None:
    if not isinstance(subject.task, Translate):
        return None
    assert subject.engine_encode is not None
    signature = subject.manifest.signatures[subject.task.encode]
    return Batcher(subject.engine_encode, signature, BatchLimits(max_queued=callers))


def _prompts(subject: Subject, encoder: Batcher | None) -> Callable[[Request], Awaitable[Prompt]]:
    """Return what makes a prompt of a request, as a task of the service does."""
    task = subject.task
    if encoder is None or not isinstance(task, Translate):

        async def given(request: Request) -> Prompt:
            return Prompt(request.prompt)

        return given
    encode, start_id = Encoding(encoder, task.source, task.step.context), task.start_id

    async def encoded(request: Request) -> Prompt:
        context, _ = await encode(request.prompt, NEVER_S)
        return Prompt((start_id,), context)

    return encoded

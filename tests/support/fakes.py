"""Fakes of the engine's seams that behave: plain functions in place of graphs, with a memory of what was asked.

Know nothing of ONNX Runtime.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from service.bundle import Signature
from service.domain import ANYONE, Array, Caller, Sampling, Tensors, Timing
from service.engine.contracts import Answer, GraphTensor, Hypothesis, Prompt, Token
from service.engine.feeds import FeedCheck
from service.errors import ServiceError, TimedOut, Unavailable

Compute = Callable[[Tensors], Mapping[str, Array]]
NextToken = Callable[[tuple[int, ...]], int]

ALONE = Timing()
LOGPROB = -0.5
"""What every token of a `FakeGenerator` is worth."""


class FakeSession:
    """A `contracts.Session` over a function from feeds to outputs; remembers the batch sizes of its runs.

    `fail` is raised by every run for which `fails` says so, as long as it is set. While `gate` is not set, runs
    wait for it in their thread; `entered` is set as soon as a run has begun.
    """

    def __init__(
        self,
        compute: Compute,
        *,
        inputs: Mapping[str, GraphTensor] | None = None,
        outputs: Mapping[str, GraphTensor] | None = None,
        duration_s: float = 0.0,
    ) -> None:
        self._compute = compute
        self._duration_s = duration_s
        self.inputs: Mapping[str, GraphTensor] = inputs or {}
        self.outputs: Mapping[str, GraphTensor] = outputs or {}
        self.batch_sizes: list[int] = []
        self.feeds: list[Tensors] = []
        self.fail: Exception | None = None
        self.fails: Callable[[Tensors], bool] = lambda _: True
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once; waits at the gate, fails if told to."""
        first = next(iter(feeds.values()), None)
        self.batch_sizes.append(len(first) if first is not None and first.ndim else 1)
        self.feeds.append(feeds)
        self.entered.set()
        if not self.gate.wait(timeout=10):
            raise TimeoutError("nobody opened the gate of the fake session")
        if self._duration_s:
            time.sleep(self._duration_s)
        if self.fail is not None and self.fails(feeds):
            raise self.fail
        computed = self._compute(feeds)
        return [computed[name] for name in outputs]


@dataclass(frozen=True, slots=True)
class Ran:
    """One call of a `FakeRunner`."""

    feeds: Tensors
    outputs: tuple[str, ...]
    deadline_at_s: float


class FakeRunner:
    """A `contracts.Runner` over a function from feeds to outputs, one caller at a time; remembers its calls.

    Refuses feeds that the signature does not allow, as a real one. While `gate` is given, calls wait for it.
    """

    def __init__(
        self,
        signature: Signature,
        compute: Compute,
        *,
        timing: Timing = ALONE,
        gate: asyncio.Event | None = None,
    ) -> None:
        self.signature = signature
        self.timing = timing
        self.gate = gate
        self.calls: list[Ran] = []
        self.fail: ServiceError | None = None
        self.concurrent = 0
        self.most_concurrent = 0
        self._compute = compute
        self._check = FeedCheck(signature)

    async def run(self, feeds: Tensors, outputs: Sequence[str], deadline_at_s: float) -> Answer:
        """Answer one caller."""
        self.calls.append(Ran(dict(feeds), tuple(outputs), deadline_at_s))
        request = self._check(feeds, outputs)
        _refuse_late(deadline_at_s)
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
        finally:
            self.concurrent -= 1
        if self.fail is not None:
            raise self.fail
        computed = self._compute(request.feeds)
        return Answer({name: computed[name] for name in request.outputs}, self.timing)


@dataclass(slots=True, eq=False)
class Asked:
    """One sequence that a `FakeGenerator` was asked for: how many tokens it told, and whether it was closed."""

    prompt: Prompt
    sampling: Sampling | None
    max_new_tokens: int
    deadline_at_s: float
    beams: int = 1
    length_penalty: float = 0.0
    caller: Caller = ANYONE
    told: int = 0
    closed: bool = False


@dataclass(slots=True)
class FakeGenerator:
    """A `contracts.TokenGenerator` whose next token is a function of the row's own history, the prompt included.

    `fail` is raised in place of the token at `fail_after`. While `gate` is given, every token waits for it.
    `context_token`, if given, sees the prompt as well: a translator's next token depends on its context.
    """

    next_token: NextToken = field(default=lambda history: history[-1])
    end_id: int | None = None
    queue_s: float = 0.0
    fail: ServiceError | None = None
    fail_after: int = 0
    gate: asyncio.Event | None = None
    context_token: Callable[[Prompt, tuple[int, ...]], int] | None = None
    slots: int = 32
    asked: list[Asked] = field(default_factory=list)

    async def stream(
        self,
        prompt: Prompt,
        sampling: Sampling,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> AsyncGenerator[Token, None]:
        """Yield tokens until the end token or the limit."""
        asked = Asked(prompt, sampling, max_new_tokens, deadline_at_s, caller=caller)
        self.asked.append(asked)
        try:
            async for token in self._tokens(asked):
                asked.told += 1
                yield token
        finally:
            asked.closed = True

    async def search(
        self,
        prompt: Prompt,
        beams: int,
        length_penalty: float,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> Hypothesis:
        """Return the greedy continuation without the end token; its score is the sum of the tokens' logprobs."""
        asked = Asked(prompt, None, max_new_tokens, deadline_at_s, beams, length_penalty, caller)
        self.asked.append(asked)
        try:
            tokens = [token async for token in self._tokens(asked)]
        finally:
            asked.closed = True
        reason = tokens[-1].finish_reason
        assert reason is not None
        kept = tuple(token.id for token in tokens if token.id != self.end_id)
        return Hypothesis(kept, LOGPROB * len(tokens), reason, self.queue_s)

    async def _tokens(self, asked: Asked) -> AsyncGenerator[Token, None]:
        history = asked.prompt.tokens
        for place, token in enumerate(asked.prompt.scored, start=1):
            history = (*history, token)
            last = place == len(asked.prompt.scored) and not asked.max_new_tokens
            yield Token(token, LOGPROB, "length" if last else None, self.queue_s)
        for count in range(1, asked.max_new_tokens + 1):
            _refuse_late(asked.deadline_at_s)
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
            if self.fail is not None and count > self.fail_after:
                raise self.fail
            token = (
                self.context_token(asked.prompt, history) if self.context_token else self.next_token(history)
            )
            history = (*history, token)
            if token == self.end_id:
                yield Token(token, LOGPROB, "stop", self.queue_s)
                return
            yield Token(token, LOGPROB, "length" if count == asked.max_new_tokens else None, self.queue_s)


async def turn_the_loop(times: int = 20) -> None:
    """Let everything that can go on without waiting go on."""
    for _ in range(times):
        await asyncio.sleep(0)


def unavailable() -> ServiceError:
    """Return the error of a model that is being unloaded."""
    return Unavailable("the model version has been unloaded", retry_after_s=1.0)


def _refuse_late(deadline_at_s: float) -> None:
    if deadline_at_s <= asyncio.get_running_loop().time():
        raise TimedOut("the deadline has passed")

"""Continue many token sequences at once over one step graph: admit, step, sample, deliver, retire.

The thin loop around `scheduling`. Knows slots, rows and counts; knows nothing of texts or of any model beyond
its manifest's step block.

Promises: a sequence starts in the first step after its slots are free; a caller who left frees them before the
next step; a prompt is read in chunks, so running rows wait for one chunk at most; a failed step fails only the
sequences that fail alone as well; closing answers everyone.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from service.bundle import Signature, StepGraph
from service.domain import Array, Sampling
from service.engine.contracts import Hypothesis, Prompt, Session, Token
from service.engine.cost import RunCost
from service.engine.decoding import BeamSearch, Decoder, RowScores, continued
from service.engine.sampling import log_normalisers
from service.engine.scheduling import admit, plan_steps
from service.engine.step import Row, StepFeeds
from service.errors import Internal, Invalid, Overloaded, ServiceError, TimedOut, Unavailable

RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """How many rows run side by side, how many sequences may wait, and how much of a prompt is read a step.

    A step that is expected to take less than `inline_bound_s` is made on the event loop itself.
    """

    slots: int = 32
    max_waiting: int = 256
    chunk: int = 64
    inline_bound_s: float = 0.001


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step was, for metrics: its rows, the tokens fed, and how long it ran."""

    rows: int
    tokens: int
    run_s: float
    failed: bool


@dataclass(slots=True, eq=False)
class _Sequence:
    decoder: Decoder
    prompt: Prompt
    deadline_at_s: float
    arrived_at_s: float
    slots: list[int] = field(default_factory=list)
    pending: list[tuple[int, ...]] = field(default_factory=list)
    queue_s: float = 0.0
    over: bool = False
    outbox: asyncio.Queue[Token | Hypothesis | ServiceError] = field(default_factory=asyncio.Queue)

    def tell(self, item: Token | Hypothesis | ServiceError) -> None:
        self.outbox.put_nowait(item)
        self.over = self.over or isinstance(item, ServiceError)


class Generator:
    """A `contracts.TokenGenerator` over one session. Made and used on one event loop."""

    def __init__(
        self,
        session: Session,
        graph: StepGraph,
        signature: Signature,
        limits: GenerationLimits,
        *,
        end_id: int | None,
        on_step: Callable[[StepRecord], None] = lambda _: None,
    ) -> None:
        self._session = session
        self._limits = limits
        self._end_id = end_id
        self._on_step = on_step
        self._step = StepFeeds(graph, signature, limits.slots)
        self._chunk = limits.chunk if self._step.ragged else 1
        self._cost = RunCost()
        self._free = list(range(limits.slots))
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []
        self._loop_task: asyncio.Task[None] | None = None
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generator")

    @property
    def slots(self) -> int:
        """How many rows may run side by side."""
        return self._limits.slots

    @property
    def slots_in_use(self) -> int:
        """How many rows run now."""
        return self._limits.slots - len(self._free)

    @property
    def waiting(self) -> int:
        """How many sequences wait for slots now."""
        return len(self._waiting)

    async def stream(
        self, prompt: Prompt, sampling: Sampling, max_new_tokens: int, deadline_at_s: float
    ) -> AsyncGenerator[Token, None]:
        """Yield tokens as they are made (`contracts.TokenGenerator.stream`)."""
        decoder = continued(prompt.scored, sampling, max_new_tokens, self._end_id)
        sequence = self._submit(decoder, prompt, deadline_at_s)
        try:
            reason = None
            while reason is None:
                token = await self._next(sequence)
                assert isinstance(token, Token), "a sampled sequence tells tokens"
                reason = token.finish_reason
                yield token
        finally:
            sequence.over = True

    async def search(
        self,
        prompt: Prompt,
        beams: int,
        length_penalty: float,
        max_new_tokens: int,
        deadline_at_s: float,
    ) -> Hypothesis:
        """Return the best of a beam search (`contracts.TokenGenerator.search`)."""
        if beams > self._limits.slots:
            raise Invalid(f"expected at most {self._limits.slots} beams, got {beams}", field="beams")
        decoder = BeamSearch(beams, length_penalty, max_new_tokens, self._end_id)
        sequence = self._submit(decoder, prompt, deadline_at_s)
        try:
            hypothesis = await self._next(sequence)
            assert isinstance(hypothesis, Hypothesis), "a beam search tells one hypothesis"
            return hypothesis
        finally:
            sequence.over = True

    def close(self) -> None:
        """Refuse new sequences and answer everyone who is not finished with Unavailable; idempotent."""
        self._closed = True
        for sequence in (*self._waiting, *self._running):
            if not sequence.over:
                sequence.tell(_unloaded())
        self._waiting.clear()
        self._thread.shutdown(wait=False)

    @staticmethod
    async def _next(sequence: _Sequence) -> Token | Hypothesis:
        item = await sequence.outbox.get()
        if isinstance(item, ServiceError):
            raise item
        return item

    def _submit(self, decoder: Decoder, prompt: Prompt, deadline_at_s: float) -> _Sequence:
        now_s = time.monotonic()
        if self._closed:
            raise _unloaded()
        if deadline_at_s <= now_s:
            raise TimedOut("the deadline has passed")
        # Those for whom there is a slot are only waiting for the next round.
        if len(self._waiting) >= self._limits.max_waiting + len(self._free):
            raise Overloaded("the model's queue is full", retry_after_s=RETRY_AFTER_S)
        sequence = _Sequence(decoder, prompt, deadline_at_s, now_s)
        self._waiting.append(sequence)
        if self._loop_task is None or self._loop_task.done():
            # A context of its own: the loop serves everyone, not the request that woke it.
            self._loop_task = asyncio.create_task(self._work(), context=contextvars.Context())
        return sequence

    async def _work(self) -> None:
        """Step until nobody is left; whatever goes wrong here is everyone's answer, never their silence."""
        try:
            while True:
                self._retire()
                self._admit()
                if not self._running:
                    return
                for step in plan_steps([len(each.pending[0]) for each in self._running], self._chunk):
                    await self._make([self._running[position] for position in step.sequences], step.tokens)
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001  # a bug in the loop must not leave callers waiting
            for sequence in (*self._running, *self._waiting):
                _fail(sequence, error)
            self._retire()

    def _retire(self) -> None:
        now_s = time.monotonic()
        for sequence in (*self._waiting, *self._running):
            if not sequence.over and sequence.deadline_at_s <= now_s:
                sequence.tell(TimedOut("the deadline passed before the last token"))
        self._waiting = deque(sequence for sequence in self._waiting if not sequence.over)
        for sequence in self._running:
            if sequence.over:
                self._free.extend(sequence.slots)
        self._running = [sequence for sequence in self._running if not sequence.over]

    def _admit(self) -> None:
        now_s = time.monotonic()
        for _ in range(admit([sequence.decoder.width for sequence in self._waiting], len(self._free))):
            sequence = self._waiting.popleft()
            # The lowest slots first: the fewer and closer they are, the less is copied a step.
            self._free.sort(reverse=True)
            sequence.slots = [self._free.pop() for _ in range(sequence.decoder.width)]
            sequence.pending = [sequence.prompt.tokens] * sequence.decoder.width
            sequence.queue_s = now_s - sequence.arrived_at_s
            self._step.state.clear(sequence.slots)
            self._running.append(sequence)

    async def _make(self, sequences: Sequence[_Sequence], counts: Sequence[int]) -> None:
        slots = [slot for sequence in sequences for slot in sequence.slots]
        rows = [
            (tokens[:count], sequence.prompt.context)
            for sequence, count in zip(sequences, counts, strict=True)
            for tokens in sequence.pending
        ]
        try:
            outputs = await self._run(slots, rows)
        except Exception as error:  # noqa: BLE001  # whatever the runtime raised goes to the callers
            if len(sequences) == 1:
                _fail(sequences[0], error)
                return
            # Nothing was stored yet, so each can try again alone: a neighbour may be the reason.
            for sequence, count in zip(sequences, counts, strict=True):
                await self._make([sequence], [count])
            return
        self._advance(sequences, counts, self._step.take(slots, rows, outputs))

    def _advance(self, sequences: Sequence[_Sequence], counts: Sequence[int], logits: Array) -> None:
        scores = RowScores(logits, logits.argmax(axis=1), log_normalisers(logits))
        start = 0
        for sequence, count in zip(sequences, counts, strict=True):
            part = slice(start, start + sequence.decoder.width)
            start = part.stop
            sequence.pending = [tokens[count:] for tokens in sequence.pending]
            if not sequence.pending[0] and not sequence.over:
                mine = RowScores(logits[part], scores.best[part], scores.log_normaliser[part])
                try:
                    self._decode(sequence, mine)
                except Exception as error:  # noqa: BLE001  # logits of one row are no reason to fail the others
                    _fail(sequence, error)

    def _decode(self, sequence: _Sequence, scores: RowScores) -> None:
        advance = sequence.decoder.advance(scores)
        if advance.result is not None:
            sequence.tell(replace(advance.result, queue_s=sequence.queue_s))
        if advance.done:
            sequence.over = True
            return
        if advance.parents is not None:
            self._step.state.reorder(sequence.slots, advance.parents)
        sequence.pending = [(token,) for token in advance.tokens]

    async def _run(self, slots: Sequence[int], rows: Sequence[Row]) -> dict[str, Array]:
        feeds = self._step.feeds(slots, rows)
        tokens = sum(len(fed) for fed, _ in rows)
        names = self._step.outputs
        started_s = time.perf_counter()
        failed = True
        try:
            if self._cost.predict(tokens) < self._limits.inline_bound_s:
                outputs = self._session.run(feeds, names)
            else:
                loop = asyncio.get_running_loop()
                outputs = await loop.run_in_executor(self._thread, self._session.run, feeds, names)
            failed = False
        finally:
            run_s = time.perf_counter() - started_s
            self._on_step(StepRecord(len(slots), tokens, run_s, failed))
        self._cost.observe(tokens, run_s)
        return dict(zip(names, outputs, strict=True))


def _fail(sequence: _Sequence, error: Exception) -> None:
    if not sequence.over:
        failure = Internal("the model failed to run")
        failure.__cause__ = error
        sequence.tell(failure)


def _unloaded() -> ServiceError:
    return Unavailable("the model version has been unloaded", retry_after_s=RETRY_AFTER_S)

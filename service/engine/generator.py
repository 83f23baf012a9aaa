"""Continue many token sequences at once over one step graph: admit, step, sample, deliver, retire.

The thin loop around `roster`, which decides who runs. Knows runs, rows and readers; knows nothing of texts or of any
model beyond its manifest's step block.

Promises: a sequence starts in the first round after its slots are free, or, while more wait than can start, after a
few more with others (`scheduling.held_back`), and goes on to its end once it steps; a caller who left frees them before the
next step; a prompt is read in chunks, so running rows wait for one chunk at most, and for none that is worth a thread
of its own, in which it is read beside them; who must yield because the cache is
full goes on later as if nothing had been; a slow reader holds its own row only; a failed step fails only the sequences
that fail alone as well; closing answers everyone.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass

from service.bundle import Signature, StepGraph
from service.domain import ANYONE, Array, Caller, Sampling
from service.engine.contracts import Hypothesis, Prompt, Session, Token
from service.engine.decoding import BeamSearch, EndId, SampledSequence
from service.engine.delivery import Delivery, Part
from service.engine.layout import Layout, Reading, ReadingLimits, Round
from service.engine.placing import place
from service.engine.roster import Roster
from service.engine.runs import ReadRun, Rows, RunBounds, StepRecord, StepRuns
from service.engine.scheduling import Claim, Space
from service.engine.sequence import Sequence
from service.errors import Invalid, Overloaded, ServiceError, TimedOut, TooLarge, Unavailable

RETRY_AFTER_S = 1.0
MOST_TURNS = 8
"""So many turns of the event loop may come between two steps."""
IDLE_TURN_S = 20e-6
"""A turn that took less had nothing else to do."""


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """How many rows run side by side, how much state they may have, and how many sequences may wait.

    On the host, unless `cache_bytes` bounds the state, half as many slots more are there for prompts that are read ahead, if rows
    of a run may differ in length and age (`placing`). A row reads at most `chunk` tokens of its prompt in a run, and all that read in one run at most `read_tokens`. A
    step that is expected to take less than `inline_bound_s` is made on the event loop itself; prompts whose reading
    takes more than `beside_bound_s` are read in a thread while others step, which infinity forbids. A sequence with
    `unread_tokens` that its reader has not taken (or half as many more) is not fed; after `stall_s` so, it is given
    up. `cache_bytes` None means that slots alone are counted. The first and the last token of a sequence are told at
    once, those between every `deliver_each_s` times the sequences that step: to wake a reader costs more than a small model's
    token, and so no more than a twentieth of the time goes into it.
    """

    slots: int = 32
    max_waiting: int = 256
    chunk: int = 64
    read_tokens: int = 512
    inline_bound_s: float = 0.002
    cache_bytes: int | None = None
    unread_tokens: int = 64
    stall_s: float = 30.0
    deliver_each_s: float = 0.00025
    beside_bound_s: float = 0.0003


class Generator:
    """A `contracts.TokenGenerator` over one session. Made and used on one event loop."""

    def __init__(  # noqa: PLR0913  # two of them only listen
        self,
        session: Session,
        graph: StepGraph,
        signature: Signature,
        limits: GenerationLimits,
        *,
        end_id: EndId,
        on_step: Callable[[StepRecord], None] = lambda _: None,
        on_yield: Callable[[], None] = lambda: None,
    ) -> None:
        self._limits = limits
        self._end_id = end_id
        # In the place of a step, there is nothing to be read ahead of it.
        ahead = limits.cache_bytes is None and limits.chunk > 1
        session, self._step = place(session, graph, signature, limits.slots, reads_ahead=ahead)
        self._runs = StepRuns(
            session, self._step, RunBounds(limits.inline_bound_s, limits.beside_bound_s), on_step
        )
        state = self._step.state
        self._space = Space(
            self._step.slots, limits.cache_bytes, state.row_bytes, state.token_bytes, state.room_step
        )
        reading = ReadingLimits(limits.chunk, limits.read_tokens)
        layout = Layout(self._step, limits.slots, reading, tight=limits.cache_bytes is not None)
        self._roster = Roster(self._step, self._space, layout, limits.stall_s, on_yield)
        self._beside: tuple[list[Part], asyncio.Future[ReadRun]] | None = None
        self._reads_alone = False
        self._delivery = Delivery(self._step, self._roster, limits.unread_tokens, limits.deliver_each_s)
        self._round = Round()
        self._longest = 0
        self._numbers = itertools.count()
        self._news = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def slots(self) -> int:
        """How many rows may run side by side."""
        return self._limits.slots

    @property
    def slots_in_use(self) -> int:
        """How many of them are taken now."""
        return min(self._roster.rows, self._limits.slots)

    @property
    def running(self) -> int:
        """How many sequences are read or step now."""
        return self._roster.running - self._roster.ahead

    @property
    def waiting(self) -> int:
        """How many sequences wait for slots now, or have read ahead and wait for others to leave."""
        return self._roster.waiting + self._roster.ahead

    @property
    def cache_bytes_in_use(self) -> int:
        """How much memory the running rows' state takes."""
        return self._roster.cache_bytes

    @property
    def cache_bytes_limit(self) -> int | None:
        """How much of it they may take; None if only rows are bounded."""
        return self._limits.cache_bytes

    async def stream(
        self,
        prompt: Prompt,
        sampling: Sampling,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> AsyncGenerator[Token, None]:
        """Yield tokens as they are made (`contracts.TokenGenerator.stream`)."""
        decoder = SampledSequence(sampling, max_new_tokens, self._end_id, prompt.tokens, prompt.scored)
        most = len(prompt.scored) + max_new_tokens
        sequence = self._submit(decoder, prompt, most, deadline_at_s, caller)
        try:
            reason, outbox, items = None, sequence.outbox, sequence.outbox.items
            while reason is None:
                while not items:
                    await outbox.filled()
                token = items.popleft()
                if sequence.stage == "paused":
                    self._resume_if_read(sequence)
                if not isinstance(token, Token):
                    assert isinstance(token, ServiceError), "a sampled sequence tells tokens"
                    raise token
                reason = token.finish_reason
                yield token
        finally:
            self._leave(sequence)

    async def search(  # the figures of one search, and whose it is
        self,
        prompt: Prompt,
        beams: int,
        length_penalty: float,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> Hypothesis:
        """Return the best of a beam search (`contracts.TokenGenerator.search`)."""
        if beams > self._limits.slots:
            raise Invalid(f"expected at most {self._limits.slots} beams, got {beams}", field="beams")
        decoder = BeamSearch(beams, length_penalty, max_new_tokens, self._end_id)
        sequence = self._submit(decoder, prompt, max_new_tokens, deadline_at_s, caller)
        try:
            while not sequence.outbox.items:
                await sequence.outbox.filled()
            hypothesis = sequence.outbox.items.popleft()
            if isinstance(hypothesis, ServiceError):
                raise hypothesis
            assert isinstance(hypothesis, Hypothesis), "a beam search tells one hypothesis"
            return hypothesis
        finally:
            self._leave(sequence)

    def close(self) -> None:
        """Refuse new sequences and answer everyone who is not finished with Unavailable; idempotent."""
        self._closed = True
        for sequence in self._roster.everyone():
            sequence.tell(_unloaded())
            self._roster.leave(sequence)
        self._news.set()
        self._runs.close()

    def _resume_if_read(self, sequence: Sequence) -> None:
        if len(sequence.outbox.items) <= self._limits.unread_tokens // 2:
            self._roster.resume(sequence)
            self._news.set()

    def _leave(self, sequence: Sequence) -> None:
        if not sequence.over:
            self._roster.leave(sequence)
            self._news.set()

    def _submit(
        self,
        decoder: SampledSequence | BeamSearch,
        prompt: Prompt,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller,
    ) -> Sequence:
        now_s = time.monotonic()
        if self._closed:
            raise _unloaded()
        if deadline_at_s <= now_s:
            raise TimedOut("the deadline has passed")
        whole = Claim(decoder.width, len(prompt.tokens) + max_new_tokens)
        if not self._space.holds([whole]):
            raise TooLarge(
                f"{whole.rows} times {whole.tokens} tokens of prompt and answer do not fit the model's cache"
            )
        # Those for whom there is a slot are only waiting for the next round.
        free = self._step.slots - self._roster.rows
        if self._roster.waiting >= self._limits.max_waiting + free:
            raise Overloaded("the model's queue is full", retry_after_s=RETRY_AFTER_S)
        sequence = Sequence(next(self._numbers), decoder, prompt, caller, now_s, deadline_at_s)
        self._roster.enter(sequence)
        self._news.set()
        if self._loop_task is None or self._loop_task.done():
            # A context of its own: the loop serves everyone, not the request that woke it.
            self._loop_task = asyncio.create_task(self._work(), context=contextvars.Context())
        return sequence

    async def _work(self) -> None:
        """Step until nobody is left; whatever goes wrong here is everyone's answer, never their silence."""
        try:
            while True:
                self._runs.start_clock()
                self._news.clear()
                if self._beside is not None and self._beside[1].done():
                    self._come_back(self._beside[0], self._beside[1].result())
                self._roster.changed |= self._longest > self._step.state.room
                self._roster.advance(time.monotonic())
                if self._roster.changed:
                    self._lay_out()
                if not self._roster.running and not self._roster.waiting and self._beside is None:
                    self._delivery.tell_all()
                    return
                if self._round.reading is None and not self._round.stepping:
                    await self._something_new()
                    continue
                began_s = time.perf_counter()
                await self._make_round()
                await _let_others(time.perf_counter() - began_s)
        except Exception as error:  # noqa: BLE001  # a bug in the loop must not leave callers waiting
            for sequence in self._roster.everyone():
                self._delivery.tell_failure(sequence, error)
            self._roster.advance(time.monotonic())

    def _lay_out(self) -> None:
        self._round = self._roster.layout()
        self._longest = self._round.longest
        self._delivery.forget()

    async def _something_new(self) -> None:
        """Wait until somebody comes, goes or reads, or a time is up."""
        left_s = max(0.0, self._roster.next_check_at_s - time.monotonic())
        try:
            async with asyncio.timeout(left_s if math.isfinite(left_s) else None):
                await self._news.wait()
        except TimeoutError:
            return

    async def _make_round(self) -> None:
        made = self._round
        if made.reading is not None:
            await self._begin_reading(made.reading, beside=bool(made.stepping))
        for stepping in made.stepping:
            logits = await self._run(stepping.start, stepping.rows, None)
            self._delivery.stepped(stepping, logits)
            if stepping.readers:
                self._delivery.read(_parts(stepping.readers, itertools.repeat(1), stepping.start), logits)
            self._runs.account()
        self._delivery.round_made()
        self._longest += 1

    async def _begin_reading(self, reading: Reading, *, beside: bool) -> None:
        """Read in a run of its own: beside those who step if that takes long, else before they go on."""
        parts = _parts(reading.sequences, reading.counts, reading.start)
        rows: list[tuple[int, ...]] = [()] * sum(len(part.rows) for part in parts)
        for part in parts:
            for row, tokens in zip(part.rows, part.sequence.part(part.count), strict=True):
                rows[row] = tokens
        # There is one thread for it: who comes second waits for it.
        if self._runs.worth_a_thread(sum(map(len, rows))) and (
            self._beside is not None or (beside and self._read_beside(reading.start, parts, rows))
        ):
            # Those who step lie where they lay.
            self._round = self._round._replace(reading=None)
            return
        self._reads_alone = False
        self._delivery.tell_all()
        self._delivery.read(parts, await self._run(reading.start, len(rows), rows))
        self._runs.account()

    def _read_beside(self, start: int, parts: list[Part], rows: Rows) -> bool:
        """Begin to read beside those who step, if that can be; returns whether it has begun."""
        if self._reads_alone:
            return False
        try:
            run = self._runs.read_beside(start, rows)
        except Exception:  # noqa: BLE001  # in a run of its own it is found out whose fault it is
            return False
        if run is None:
            return False
        run.add_done_callback(lambda _: self._news.set())
        self._beside = parts, run
        for part in parts:
            part.sequence.stage = "away"
        return True

    def _come_back(self, parts: list[Part], run: ReadRun) -> None:
        """Take over what was read beside the others, by those who are still there."""
        self._beside = None
        self._roster.changed = True
        self._runs.record_read(run)
        present = [each for each in parts if each.sequence.stage == "away" and not each.sequence.over]
        slots = {
            row: slot
            for each in present
            for row, slot in zip(each.rows, each.sequence.reading_slots, strict=True)
        }
        for each in present:
            each.sequence.stage = "reading"
        try:
            logits = None if run.failed or not present else self._runs.take_read(run, slots)
        except Exception:  # noqa: BLE001  # as above
            logits = None
        if logits is not None:
            self._delivery.read(present, logits)
            return
        # Read again from the start, before the others go on: there it is found out whose fault it was.
        self._reads_alone = bool(present)
        for each in present:
            self._step.state.wipe(each.sequence.slots)
            each.sequence.start()

    async def _run(self, start: int, rows: int, tokens: Rows | None) -> Array:
        logits, failures = await self._runs.run(start, rows, tokens)
        if failures:
            self._delivery.forget()
            for sequence in self._roster.everyone():
                for slot in sequence.slots:
                    if slot in failures:
                        self._delivery.fail(sequence, failures[slot])
        return logits


def _parts(sequences: Iterable[Sequence], counts: Iterable[int], start: int) -> list[Part]:
    """Return what each sequence has in a run over the slots from `start` on."""
    return [
        Part(sequence, count, [slot - start for slot in sequence.reading_slots])
        for sequence, count in zip(sequences, counts, strict=False)
    ]


async def _let_others(round_s: float) -> None:
    """Let what else the loop has to do come before the next step, as long as one thing leads to another, but no
    longer than the last round took: other models' steps are such things, too.

    A request is read, checked, encoded and queued in many turns of the loop; were each followed by a step, it would
    wait for as many steps.
    """
    began_s = turn_s = time.perf_counter()
    for _ in range(MOST_TURNS):
        await asyncio.sleep(0)
        now_s = time.perf_counter()
        if now_s - turn_s < IDLE_TURN_S or now_s - began_s >= round_s:
            return
        turn_s = now_s


def _unloaded() -> ServiceError:
    return Unavailable("the model version has been unloaded", retry_after_s=RETRY_AFTER_S)

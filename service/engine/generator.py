"""Continue many token sequences at once over one step graph: admit, step, sample, deliver, retire.

The thin loop around `roster`, which decides who runs. Knows runs, rows and readers; knows nothing of texts or of any
model beyond its manifest's step block.

Promises: a sequence starts in the first step after its slots are free, or, while more wait than can start, after a
few more with others (`scheduling.held_back`); a caller who left frees them before the
next step; a prompt is read in chunks, so running rows wait for one chunk at most; who must yield because the cache is
full goes on later as if nothing had been; a slow reader holds its own row only; a failed step fails only the sequences
that fail alone as well; closing answers everyone.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

from service.bundle import Signature, StepGraph
from service.domain import ANYONE, Array, Caller, Sampling
from service.engine.cohort import Cohort
from service.engine.contracts import Hypothesis, Prompt, Session, Token
from service.engine.decoding import BeamSearch, EndId, SampledSequence
from service.engine.placing import place
from service.engine.roster import Reading, ReadingLimits, Roster, Round, Stepping
from service.engine.runs import Rows, StepRecord, StepRuns
from service.engine.scheduling import Claim, Space
from service.engine.sequence import Sequence, Told
from service.errors import Internal, Invalid, Overloaded, ServiceError, TimedOut, TooLarge, Unavailable

RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """How many rows run side by side, how much state they may have, and how many sequences may wait.

    A row reads at most `chunk` tokens of its prompt in a run, and all that read in one run at most `read_tokens`. A
    step that is expected to take less than `inline_bound_s` is made on the event loop itself. A sequence with
    `unread_tokens` that its reader has not taken is not fed; after `stall_s` so, it is given up. `cache_bytes` None
    means that slots alone are counted.
    """

    slots: int = 32
    max_waiting: int = 256
    chunk: int = 64
    read_tokens: int = 256
    inline_bound_s: float = 0.001
    cache_bytes: int | None = None
    unread_tokens: int = 64
    stall_s: float = 30.0


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
        session, self._step = place(session, graph, signature, limits.slots)
        self._runs = StepRuns(session, self._step, limits.inline_bound_s, on_step)
        state = self._step.state
        self._space = Space(limits.slots, limits.cache_bytes, state.row_bytes, state.token_bytes)
        reading = ReadingLimits(limits.chunk, limits.read_tokens)
        self._roster = Roster(self._step, self._space, reading, limits.stall_s, on_yield)
        self._round = Round()
        self._cohorts: dict[int, Cohort] = {}
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
        """How many rows run now."""
        return self._roster.rows

    @property
    def running(self) -> int:
        """How many sequences run now."""
        return self._roster.running

    @property
    def waiting(self) -> int:
        """How many sequences wait for slots now."""
        return self._roster.waiting

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
            reason, outbox = None, sequence.outbox
            while reason is None:
                while not outbox:
                    await outbox.filled()
                token = self._taken(sequence)
                assert isinstance(token, Token), "a sampled sequence tells tokens"
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
            while not sequence.outbox:
                await sequence.outbox.filled()
            hypothesis = self._taken(sequence)
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

    def _taken(self, sequence: Sequence) -> Told:
        item = sequence.outbox.take()
        if isinstance(item, ServiceError):
            raise item
        if sequence.stage == "paused" and len(sequence.outbox) <= self._limits.unread_tokens // 2:
            self._roster.resume(sequence)
            self._news.set()
        return item

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
        free = self._limits.slots - self._roster.rows
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
                self._roster.advance(time.monotonic())
                if self._roster.changed or self._longest > self._step.state.room:
                    self._lay_out()
                if not self._roster.running and not self._roster.waiting:
                    return
                if self._round.reading is None and not self._round.stepping:
                    await self._something_new()
                    continue
                await self._make_round()
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001  # a bug in the loop must not leave callers waiting
            for sequence in self._roster.everyone():
                self._tell_failure(sequence, error)
            self._roster.advance(time.monotonic())

    def _lay_out(self) -> None:
        self._round = self._roster.layout()
        self._longest = self._round.longest
        self._cohorts.clear()

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
            await self._read(made.reading)
        for stepping in made.stepping:
            await self._take_step(stepping)
        self._longest += 1

    async def _read(self, reading: Reading) -> None:
        rows: list[tuple[int, ...]] = [()] * sum(len(each.reading_slots) for each in reading.sequences)
        for sequence, count in zip(reading.sequences, reading.counts, strict=True):
            for slot, tokens in zip(sequence.reading_slots, sequence.part(count), strict=True):
                rows[slot - reading.start] = tokens
        logits = await self._run(reading.start, len(rows), rows)
        finished = []
        for sequence, count in zip(reading.sequences, reading.counts, strict=True):
            sequence.fed += count
            if sequence.fed == len(sequence.pending[0]) and not sequence.over:
                finished.append(sequence)
        self._finish_reading(finished, logits, reading.start)
        self._roster.changed = True
        self._runs.account()

    async def _take_step(self, stepping: Stepping) -> None:
        logits = await self._run(stepping.start, stepping.rows, None)
        cohort = self._cohorts.get(stepping.start)
        if cohort is None:
            members = [
                (each, [slot - stepping.start for slot in each.slots])
                for each in stepping.sequences
                if not each.over
            ]
            cohort = self._cohorts[stepping.start] = Cohort(members, stepping.rows)
        self._decode(cohort, logits)
        if stepping.readers:
            for sequence in stepping.readers:
                sequence.fed += 1
            self._finish_reading(
                [each for each in stepping.readers if each.fed == len(each.pending[0]) and not each.over],
                logits,
                stepping.start,
            )
            self._roster.changed = True
        self._runs.account()

    def _finish_reading(self, sequences: list[Sequence], logits: Array, start: int) -> None:
        members = []
        for sequence in sequences:
            rows = [slot - start for slot in sequence.reading_slots]
            # What one row has read for several is the start of each of them.
            members += [
                (each, (rows * len(each.slots))[: len(each.slots)]) for each in self._roster.read(sequence)
            ]
        if members:
            self._decode(Cohort(members, len(logits)), logits)

    def _decode(self, cohort: Cohort, logits: Array) -> None:
        if cohort.samples:
            self._sample(cohort, logits)
        for sequence, rows in cohort.searches:
            if not sequence.over:
                try:
                    self._search(sequence, logits[rows])
                except Exception as error:  # noqa: BLE001  # logits of one sequence are no reason to fail the others
                    self._fail(sequence, error)

    def _sample(self, cohort: Cohort, logits: Array) -> None:
        try:
            tokens, told = cohort.sample(logits)
        except ArithmeticError:
            broken = cohort.broken(logits)
            if not broken:
                raise
            for sequence, error in broken:
                self._fail(sequence, error)
            self._cohorts.clear()
            rest = cohort.without_over(len(logits))
            if rest.samples:
                self._sample(rest, logits)
            return
        self._step.next[cohort.slots, 0] = tokens
        most = self._limits.unread_tokens
        for sequence, token in told:
            unread = sequence.outbox.put(token)
            if token.finish_reason is not None:
                self._roster.leave(sequence)
            elif unread >= most:
                self._roster.pause(sequence, time.monotonic())

    def _search(self, sequence: Sequence, logits: Array) -> None:
        assert isinstance(sequence.decoder, BeamSearch), "the others are sampled"
        advance = sequence.decoder.advance(logits)
        if advance.result is not None:
            sequence.tell(replace(advance.result, queue_s=sequence.queue_s))
            self._roster.leave(sequence)
            return
        slots = sequence.slots
        moves = [
            (slots[parent], slot)
            for parent, slot in zip(advance.parents, slots, strict=True)
            if slots[parent] != slot
        ]
        if moves:
            self._step.state.move([source for source, _ in moves], [target for _, target in moves])
        self._step.next[slots, 0] = advance.tokens

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        if not sequence.over:
            # What the model made of these rows may be no numbers, and would show through the next one's mask.
            self._step.state.wipe(sequence.slots)
            self._tell_failure(sequence, error)

    def _tell_failure(self, sequence: Sequence, error: Exception) -> None:
        failure = Internal("the model failed to run")
        failure.__cause__ = error
        sequence.tell(failure)
        self._roster.leave(sequence)

    async def _run(self, start: int, rows: int, tokens: Rows | None) -> Array:
        logits, failures = await self._runs.run(start, rows, tokens)
        if failures:
            self._cohorts.clear()
            for sequence in self._roster.everyone():
                for slot in sequence.slots:
                    if slot in failures:
                        self._fail(sequence, failures[slot])
        return logits


def _unloaded() -> ServiceError:
    return Unavailable("the model version has been unloaded", retry_after_s=RETRY_AFTER_S)

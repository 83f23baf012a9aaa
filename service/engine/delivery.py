"""Give running sequences their next tokens from the logits of a run, and tell their readers.

Knows cohorts, slots and readers. Makes no runs, and does not decide who runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from service.domain import Array
from service.engine.cohort import Cohort
from service.engine.decoding import BeamSearch
from service.engine.layout import Stepping
from service.engine.roster import Roster
from service.engine.sequence import Sequence as TokenSequence
from service.engine.step import StepFeeds
from service.errors import Internal


@dataclass(frozen=True, slots=True)
class Part:
    """What a sequence has in a run: how many tokens it reads, and its rows of what the run gives."""

    sequence: TokenSequence
    count: int
    rows: list[int]


class Delivery:
    """Tokens are noted as they are made and told every `deliver_each_s` times the sequences that step, the first and the last of
    a sequence at once.

    A sequence with `unread` tokens or more pauses. Who lies where is remembered until `forget`.
    """

    def __init__(self, step: StepFeeds, roster: Roster, unread: int, deliver_each_s: float) -> None:
        self._step = step
        self._roster = roster
        self._unread = unread
        self._deliver_s = deliver_each_s
        self._cohorts: dict[int, Cohort] = {}
        self._untold: dict[TokenSequence, None] = {}
        self._told_at_s = 0.0
        self._untold_rounds = 0

    def forget(self) -> None:
        """Let go of who lay where: the rows lie elsewhere now."""
        for cohort in self._cohorts.values():
            self._untold.update(dict.fromkeys(cohort.quiet))
        self._cohorts.clear()

    def stepped(self, stepping: Stepping, logits: Array) -> None:
        """Go on with those who took a step; `logits` are those of its rows."""
        cohort = self._cohorts.get(stepping.start)
        if cohort is None:
            start = stepping.start
            members = [
                (each, [slot - start for slot in each.slots] if start else each.slots)
                for each in stepping.sequences
                if not each.over
            ]
            cohort = self._cohorts[start] = Cohort(members, stepping.rows)
            self._decode(cohort, logits)
            self._tell(cohort.new)
        else:
            self._decode(cohort, logits)

    def read(self, parts: Sequence[Part], logits: Array) -> None:
        """Go on with those who read; who has read everything, and those who followed, get their first token."""
        members = []
        for part in parts:
            sequence = part.sequence
            sequence.fed += part.count
            if not sequence.over and sequence.fed == len(sequence.pending[0]):
                # What one row has read for several is the start of each of them.
                members += [
                    (each, (part.rows * len(each.slots))[: len(each.slots)])
                    for each in self._roster.read(sequence)
                ]
        if members:
            cohort = Cohort(members, len(logits))
            self._decode(cohort, logits)
            self._tell(cohort.quiet)
        self._roster.changed = True

    def round_made(self) -> None:
        """Tell readers if they have waited long enough, or could be full."""
        self._untold_rounds += 1
        late = time.monotonic() >= self._told_at_s + self._deliver_s * self._roster.stepping
        if late or 2 * self._untold_rounds >= self._unread:
            self.tell_all()

    def tell_all(self) -> None:
        """Tell those who step what was made for them."""
        self._told_at_s, self._untold_rounds = time.monotonic(), 0
        for cohort in self._cohorts.values():
            self._untold.update(dict.fromkeys(cohort.quiet))
        self._tell(self._untold)
        self._untold.clear()

    def fail(self, sequence: TokenSequence, error: Exception) -> None:
        """End a sequence whose run or logits failed."""
        if not sequence.over:
            # What the model made of these rows may be no numbers, and would show through the next one's mask.
            self._step.state.wipe(sequence.slots)
            self.tell_failure(sequence, error)

    def tell_failure(self, sequence: TokenSequence, error: Exception) -> None:
        """Tell a reader that it went wrong."""
        failure = Internal("the model failed to run")
        failure.__cause__ = error
        sequence.tell(failure)
        self._roster.leave(sequence)

    def _tell(self, sequences: Iterable[TokenSequence]) -> None:
        for sequence in sequences:
            if not sequence.over:
                self._pause_if_full(sequence, sequence.deliver())

    def _pause_if_full(self, sequence: TokenSequence, unread: int) -> None:
        if unread >= self._unread and sequence.stage == "stepping":
            self._roster.pause(sequence, time.monotonic())

    def _decode(self, cohort: Cohort, logits: Array) -> None:
        if cohort.samples:
            self._sample(cohort, logits)
        for sequence, rows in cohort.searches:
            if not sequence.over:
                try:
                    self._search(sequence, logits[rows])
                except Exception as error:  # noqa: BLE001  # logits of one sequence are no reason to fail the others
                    self.fail(sequence, error)

    def _sample(self, cohort: Cohort, logits: Array) -> None:
        try:
            tokens, told, ending = cohort.sample(logits)
        except ArithmeticError:
            self._sample_without_broken(cohort, logits)
            return
        self._step.state.trust(cohort.slots)
        self._step.next[cohort.slots, 0] = tokens
        for sequence, token in told:
            unread = sequence.outbox.put(token)
            if token.finish_reason is None:
                self._pause_if_full(sequence, unread)
            else:
                ending.append(sequence)
        for sequence in ending:
            sequence.deliver()
        if ending:
            self._roster.finish(ending)

    def _sample_without_broken(self, cohort: Cohort, logits: Array) -> None:
        broken = cohort.broken(logits)
        if not broken:
            raise ArithmeticError("sampling failed, though all logits are numbers")
        for sequence, error in broken:
            self.fail(sequence, error)
        self.forget()
        rest = cohort.without_over(len(logits))
        if rest.samples:
            self._sample(rest, logits)

    def _search(self, sequence: TokenSequence, logits: Array) -> None:
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

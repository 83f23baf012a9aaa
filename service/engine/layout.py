"""Lay the rows of running sequences side by side, and say what is run of them before anybody else may come or go.

Acts on what `scheduling` decides. Knows sequences and slots; knows nobody who waits, and makes no runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import NamedTuple

from service.engine import scheduling
from service.engine.sequence import Sequence
from service.engine.step import StepFeeds


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How many tokens a row reads in a run, and how many all that read in it."""

    chunk: int
    most: int


class Reading(NamedTuple):
    """A run in which sequences read so many tokens each; their rows are the slots from `start` on."""

    start: int
    sequences: tuple[Sequence, ...]
    counts: tuple[int, ...]


class Stepping(NamedTuple):
    """A run in which each row takes one token; their rows are `slots`, neighbours. `readers` still read some."""

    start: int
    sequences: tuple[Sequence, ...]
    readers: tuple[Sequence, ...]
    rows: int


class Round(NamedTuple):
    """What is run before anybody else may come or go; `longest` is the most tokens that a row has then."""

    reading: Reading | None = None
    stepping: tuple[Stepping, ...] = ()
    longest: int = 0


class Layout:
    """Lays rows out over the slots of `step`. At most `abreast` rows step side by side; the slots beyond are for those who read, and
    have read ahead. A row reads `chunk` tokens at most in a run. `tight` says that room which is not needed is given back at once.
    """

    def __init__(self, step: StepFeeds, abreast: int, reading: ReadingLimits, *, tight: bool) -> None:
        self._step = step
        self._abreast = abreast
        self.chunk = reading.chunk if step.ragged else 1
        self._most = reading.most
        self._tight = tight

    def of(self, running: Many[Sequence], ready: Many[Sequence], longest: int) -> Round:
        """Return what to run of those who run, the longest of whom has `longest` tokens; the `ready` have read all but one token,
        and step from now on.
        """
        first_tokens = [each.pending[0][-1] for each in ready]
        for each in ready:
            each.step()
        stepping = self._stepping(running)
        reading, counts = self._reading(running)
        chosen = reading[: len(counts)]
        sections = [_fed(group) for group in (*stepping, chosen)]
        rows = sum([each.decoder.width for each in running])
        if sum(map(len, sections)) < rows:
            laid = {slot for section in sections for slot in section}
            sections.append([slot for each in running for slot in each.slots if slot not in laid])
        self._arrange(running, sections, rows)
        if ready:
            self._step.next[[each.slots[0] for each in ready], 0] = first_tokens
        self._step.state.fit(longest, rows, tight=self._tight)
        return self._round(stepping, chosen, counts, longest)

    def _stepping(self, running: Many[Sequence]) -> list[list[Sequence]]:
        """Return who takes one token, in groups that may share a run."""
        fed = self._placed(running)
        if self.chunk == 1:
            fed += [each for each in running if each.stage == "reading"]
        if not self._step.state.aligned:
            return [fed] if fed else []
        ages: dict[int, list[Sequence]] = {}
        for sequence in fed:
            age = sequence.fed if sequence.stage == "reading" else sequence.tokens - 1
            ages.setdefault(age, []).append(sequence)
        return list(ages.values())

    def _placed(self, running: Many[Sequence]) -> list[Sequence]:
        """Return who has read and steps: whoever did, and as many more as there are places for, the first of those who run.

        Who is paused keeps the place: a slow reader is nobody else's loss, and nobody's gain.
        """
        free = self._abreast - sum([each.decoder.width for each in running if each.placed])
        for each in running:
            if not each.placed and each.stage == "stepping":
                free -= each.decoder.width
                if free < 0:
                    break
                each.placed = True
        return [each for each in running if each.placed and each.stage == "stepping"]

    def _reading(self, running: Many[Sequence]) -> tuple[list[Sequence], tuple[int, ...]]:
        if self.chunk == 1:
            return [], ()
        reading = [each for each in running if each.stage == "reading"]
        if self._step.state.aligned:
            reading = reading[:1]
        return reading, scheduling.plan_reading([each.unread for each in reading], self.chunk, self._most)

    def _arrange(self, running: Many[Sequence], sections: list[list[int]], rows: int) -> None:
        moved = {
            slot: target
            for section, targets in zip(sections, scheduling.arrange(sections), strict=True)
            for slot, target in zip(section, targets, strict=True)
            if slot != target
        }
        if not moved:
            return
        known = {slot: target for slot, target in moved.items() if slot < self._step.slots}
        if known:
            self._step.move(list(known), list(known.values()))
        new = [sequence for sequence in running if sequence.slots[0] >= self._step.slots]
        for sequence in running:
            if not moved.keys().isdisjoint(sequence.slots):
                sequence.slots = [moved.get(slot, slot) for slot in sequence.slots]
        if new:
            self._step.begin([(each.slots, each.prompt.context) for each in new], rows)

    def _round(
        self, stepping: list[list[Sequence]], chosen: list[Sequence], counts: tuple[int, ...], longest: int
    ) -> Round:
        runs = []
        start = 0
        for group in stepping:
            rows = len(_fed(group))
            readers = tuple([each for each in group if each.stage == "reading"])
            for each in readers:
                self._step.next[each.reading_slots, 0] = [tokens[each.fed] for tokens in each.pending]
            steppers = tuple([each for each in group if each.stage == "stepping"])
            runs.append(Stepping(start, steppers, readers, rows))
            start += rows
        reading = Reading(start, tuple(chosen), counts) if chosen else None
        return Round(reading, tuple(runs), longest)


def _fed(group: Iterable[Sequence]) -> list[int]:
    """Return the slots of the rows that are fed: while a prompt is read once for all rows, only the first."""
    slots: list[int] = []
    for each in group:
        slots += each.reading_slots if each.stage == "reading" else each.slots
    return slots

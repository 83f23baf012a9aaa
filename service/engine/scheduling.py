"""Decide who runs: which sequences start, which must yield, what is read of prompts, and where rows lie.

Pure functions from counts to counts. Knows slots, rows, tokens and bytes; knows no tensors and no callers.
Sequences are given in the order in which they take precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.engine.block import ROOM_STEP, room_for

AHEAD = 2
"""Prompts are read ahead of the steps in so large a part of the slots more (a half)."""
HEADROOM_TOKENS = 16
"""Whoever starts beside others must leave them room for so many more tokens, or it would soon have to yield."""
LOT = 4
"""While more wait than slots are free, slots are given out in lots of so large a part of all (a quarter)."""
LOT_ROUNDS = 12
"""For so many rounds at most are free slots held back until there is a lot of them."""
IDLE = 10
"""Rows of those who have finished step on as long as they are so small a part of all that step at most (a tenth)."""
IDLE_ROUNDS = 2
"""For so many rounds at most do they."""


class Claim(NamedTuple):
    """What a sequence takes: its rows, and the tokens of each row once all that is known of it has been fed."""

    rows: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Space:
    """How many rows there may be, and how many bytes of state; `limit_bytes` None means that rows alone count.

    A row takes `row_bytes`, and `token_bytes` for each token that there is room for: as much as the longest needs, in
    steps of `room_step`.
    """

    slots: int
    limit_bytes: int | None = None
    row_bytes: int = 0
    token_bytes: int = 0
    room_step: int = ROOM_STEP

    def taken(self, claims: Iterable[Claim], more_tokens: int = 0) -> int:
        """Return how many bytes `claims` take together, each with `more_tokens` tokens more."""
        rows = longest = 0
        for claim in claims:
            rows += claim.rows
            longest = max(longest, claim.tokens)
        return rows * (self.row_bytes + room_for(longest + more_tokens, self.room_step) * self.token_bytes)

    def holds(self, claims: Sequence[Claim], more_tokens: int = 0) -> bool:
        """Say whether `claims` fit side by side."""
        if sum(claim.rows for claim in claims) > self.slots:
            return False
        return self.limit_bytes is None or self.taken(claims, more_tokens) <= self.limit_bytes


def read_ahead(slots: int) -> int:
    """Return in how many slots more than `slots`, which step side by side, prompts are read.

    A slot whose prompt is only read once the sequence before has ended gives no tokens meanwhile. One that is read by then
    takes its place in the next step.
    """
    return slots // AHEAD


def starts(space: Space, running: Sequence[Claim], claim: Claim) -> bool:
    """Say whether a sequence may start beside those that run.

    It takes all its rows at once or none. Alone it may start if it fits at all; beside others, some room must be
    left for everyone to grow.
    """
    return space.holds([*running, claim], HEADROOM_TOKENS if running else 0)


def held_back(space: Space, taken: int, waiting: int, rounds: int) -> bool:
    """Say whether free slots stay empty for another round, `taken` being in use and `rounds` having been waited.

    To read several prompts in one run costs hardly more than to read one, and each such run lets those that step wait.
    So while more wait than can start, they start several at a time: a slot is empty for a few steps, and who waits for
    it waits for slots anyway. Whoever finds enough slots starts at once.
    """
    free = space.slots - taken
    return taken > 0 and free < min(waiting, space.slots // LOT) and rounds < LOT_ROUNDS


def stay_idle(stepping: int, finished: int, waiting: int, rounds: int) -> bool:
    """Say whether the rows of `finished` sequences, of `stepping` ones, step for nobody for another round, after `rounds` of them.

    To lay the others out anew takes as long as several rows of a step. So while others wait, some who finish are let go
    of together.
    """
    return waiting > 0 and finished * IDLE <= stepping and rounds < IDLE_ROUNDS


def staying(space: Space, running: Sequence[Claim]) -> int:
    """Return how many of the running sequences stay; the others yield their rows, the last first.

    The first always stays, so that somebody advances whatever the limits are.
    """
    count = len(running)
    while count > 1 and not space.holds(running[:count]):
        count -= 1
    return count


def plan_reading(claims: Sequence[Claim], chunk: int, most: int) -> tuple[int, ...]:
    """Return how many tokens each of the first sequences reads in one run; the rest wait for the next.

    `claims` have the tokens that are still to be read. A row reads at most `chunk` of them; the run, padding
    included, feeds at most `most` tokens, but the first sequence reads in any case.
    """
    counts: list[int] = []
    rows = longest = 0
    for claim in claims:
        count = min(claim.tokens, chunk)
        rows += claim.rows
        longest = max(longest, count)
        if counts and rows * longest > most:
            break
        counts.append(count)
    return tuple(counts)


def arrange(sections: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return where the rows of each section go, so that sections lie behind one another from slot 0 without a gap.

    `sections` have the slots where rows lie now. A row that lies where its section will be stays, so that as few as
    possible are moved.
    """
    arranged: list[tuple[int, ...]] = []
    start = 0
    for section in sections:
        places = range(start, start + len(section))
        start = places.stop
        here = set(section)
        holes = iter([place for place in places if place not in here])
        arranged.append(tuple(slot if slot in places else next(holes) for slot in section))
    return tuple(arranged)

"""Keep the list of who waits and who runs.

Acts on what `scheduling` and `fairness` decide. Knows sequences, slots and times; makes no runs and wakes nobody.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Callable, Iterable

from service.engine import scheduling
from service.engine.fairness import WaitingRoom, turn_s
from service.engine.layout import Layout, Round
from service.engine.scheduling import Claim, Space
from service.engine.sequence import Sequence
from service.engine.step import StepFeeds
from service.errors import ServiceError, TimedOut

_PRECEDENCE = operator.attrgetter("precedence")
_TURN = operator.attrgetter("turn")
CHARGED_EVERY_S = 0.1
"""As long as only one client waits, those who run are charged so seldom: another one's turns begin where that left it."""


class Roster:
    """Who waits, who runs and who had to yield. `changed` says that the round must be laid out anew.

    `stepping` says how many sequences take a token in each round of the last layout.
    """

    def __init__(
        self,
        step: StepFeeds,
        space: Space,
        layout: Layout,
        stall_s: float,
        on_yield: Callable[[], None],
    ) -> None:
        self._step = step
        self._space = space
        self._layout = layout
        self._on_yield = on_yield
        self._stall_s = stall_s
        self._waiting: WaitingRoom[Sequence] = WaitingRoom()
        self._yielded: list[Sequence] = []
        self._running: list[Sequence] = []
        self._readers: dict[tuple[int, ...], Sequence] = {}
        self._new_slots = itertools.count(space.slots)
        self._starts = itertools.count()
        self.next_check_at_s = math.inf
        self.changed = False
        self.stepping = 0
        self._arrived = False
        self._held_rounds = 0
        # Rows of one age only, or state that is not here, are better let go of at once.
        self._may_idle = not step.state.aligned and not step.state.holdable
        self._finished = self._idle_rounds = 0
        self._charged_at_s = -math.inf

    @property
    def running(self) -> int:
        """How many sequences run."""
        return len(self._running)

    @property
    def rows(self) -> int:
        """How many slots are taken."""
        return sum([sequence.decoder.width for sequence in self._running])

    @property
    def waiting(self) -> int:
        """How many sequences wait for slots, those that had to yield included."""
        return len(self._waiting) + len(self._yielded)

    @property
    def ahead(self) -> int:
        """How many sequences have read, and wait for others to leave before they step."""
        return sum([each.stage == "stepping" and not each.placed for each in self._running])

    @property
    def cache_bytes(self) -> int:
        """How much of the state's memory the running rows take."""
        return self._space.taken(self._claims())

    def everyone(self) -> list[Sequence]:
        """Return all who are not finished."""
        return [each for each in (*self._running, *self._yielded, *self._waiting) if not each.over]

    def enter(self, sequence: Sequence) -> None:
        """Let a sequence wait for its slots."""
        self._waiting.push(sequence, sequence.caller, sequence.arrived_at_s)
        self._arrived = True
        self.next_check_at_s = min(self.next_check_at_s, sequence.deadline_at_s)

    def leave(self, sequence: Sequence) -> None:
        """Let go of a sequence that nobody reads any more."""
        sequence.over = True
        self._waiting.discard(sequence)
        self.changed = True

    def finish(self, sequences: Iterable[Sequence]) -> None:
        """Let go of sequences that have their last token; their rows may step on for nobody until some leave together."""
        slots = list[int]()
        for sequence in sequences:
            sequence.over = True
            slots += sequence.slots
        if self._may_idle:
            # Each has one row: a search ends otherwise.
            self._finished += len(slots)
            # They begin anew: a position beyond the last that the model knows would fail the run.
            self._step.state.clear(slots)
        else:
            self.changed = True

    def pause(self, sequence: Sequence, now_s: float) -> None:
        """Do not feed a sequence until its reader has caught up."""
        sequence.stage = "paused"
        sequence.paused_at_s = now_s
        self.next_check_at_s = min(self.next_check_at_s, now_s + self._stall_s)
        self.changed = True

    def resume(self, sequence: Sequence) -> None:
        """Feed a paused sequence again."""
        sequence.stage = "stepping"
        self.changed = True

    def advance(self, now_s: float) -> None:
        """Take out who is over or late, and let in who fits."""
        if now_s >= self.next_check_at_s:
            self._check_times(now_s)
        if self._finished and not self.changed:
            idle = scheduling.stay_idle(self.stepping, self._finished, self.waiting, self._idle_rounds)
            self._idle_rounds += 1
            self.changed = self._arrived or not idle
        if self.changed:
            self._retire()
        # Who did not fit fits no better before somebody has left, paused or come.
        if (self.changed or self._arrived or self._held_rounds) and self.waiting:
            self._admit(now_s)
            if self.changed and self._finished:
                # Rows are laid out anyway, for who has started.
                self._retire()
        self._arrived = False

    def layout(self) -> Round:
        """Make who does not fit any more yield, lay the rest side by side, and return what to run."""
        self._make_room()
        # Clients take turns in starting, not in arriving: by arrival a crowd would overtake who came after it, and started.
        self._running.sort(key=_TURN)
        ready = [each for each in self._running if each.stage == "reading" and self._only_steps(each)]
        made = self._layout.of(self._running, ready, self._longest())
        self.stepping = sum([len(each.sequences) + len(each.readers) for each in made.stepping])
        self.changed = False
        return made

    def read(self, sequence: Sequence) -> list[Sequence]:
        """Note that a sequence has read everything; returns it and those who followed it, with its state."""
        followers = self._followers(sequence)
        source = sequence.slots[0]
        if followers:
            targets = [each.slots[0] for each in followers]
            self._step.state.move([source] * len(targets), targets)
        if not sequence.forked and len(sequence.slots) > 1:
            siblings = sequence.slots[1:]
            self._step.state.move([source] * len(siblings), siblings)
        for each in (sequence, *followers):
            each.step()
        self.changed = True
        return [sequence, *followers]

    def _only_steps(self, sequence: Sequence) -> bool:
        """Whether a sequence that reads has one token left and nobody takes over what it has read: that is a step."""
        return (
            sequence.decoder.width == 1
            and sequence.fed == len(sequence.pending[0]) - 1
            and self._readers.get(sequence.prompt.tokens) is not sequence
        )

    def _claims(self) -> list[Claim]:
        return [sequence.claim for sequence in self._running]

    def _together(self, rows: int) -> list[Claim]:
        """Return what the running sequences take, which have so many rows, as one claim; there is none if nobody runs."""
        longest = 0 if self._space.limit_bytes is None else self._longest()
        return [Claim(rows, longest)] if self._running else []

    def _longest(self) -> int:
        """Return how many tokens the longest of the running sequences has, 0 where nobody asks how many there are."""
        if not self._step.state.grows:
            return 0
        return max([sequence.tokens for sequence in self._running], default=0)

    def _check_times(self, now_s: float) -> None:
        upcoming = math.inf
        for sequence in self.everyone():
            if sequence.deadline_at_s <= now_s:
                self._end(sequence, TimedOut("the deadline passed before the last token"))
                continue
            upcoming = min(upcoming, sequence.deadline_at_s)
            if sequence.stage == "paused":
                given_up_at_s = sequence.paused_at_s + self._stall_s
                if given_up_at_s <= now_s:
                    self._end(sequence, TimedOut("the tokens were not read in time"))
                else:
                    upcoming = min(upcoming, given_up_at_s)
        self.next_check_at_s = upcoming

    def _end(self, sequence: Sequence, error: ServiceError) -> None:
        sequence.tell(error)
        self.leave(sequence)

    @property
    def _reads_apart(self) -> bool:
        """Whether prompts are read in runs of their own, while somebody steps."""
        return self._layout.chunk > 1 and any(
            each.placed and each.stage == "stepping" for each in self._running
        )

    def _retire(self) -> None:
        self._finished = self._idle_rounds = 0
        gone = [sequence for sequence in self._running if sequence.over]
        self._running = [sequence for sequence in self._running if not sequence.over]
        self._yielded = [sequence for sequence in self._yielded if not sequence.over]
        for sequence in gone:
            self._charge(sequence)
            self._hand_over(sequence)

    def _hand_over(self, sequence: Sequence) -> None:
        """Let the first of those who follow read in place of one who is gone."""
        followers = self._followers(sequence)
        if followers:
            first, *rest = followers
            first.start()
            self._readers[first.prompt.tokens] = first
            for each in rest:
                each.leader = first

    def _followers(self, sequence: Sequence) -> list[Sequence]:
        """Return who waits for `sequence` to read the prompt; nobody else will join them."""
        if self._readers.get(sequence.prompt.tokens) is not sequence:
            return []
        del self._readers[sequence.prompt.tokens]
        return [
            each
            for each in self._running
            if each.stage == "following" and each.leader is sequence and not each.over
        ]

    def _admit(self, now_s: float) -> None:
        rows = self.rows
        if rows >= self._space.slots:
            return
        if self._reads_apart and scheduling.held_back(self._space, rows, self.waiting, self._held_rounds):
            self._held_rounds += 1
            return
        self._held_rounds = 0
        if self._waiting.contested or now_s >= self._charged_at_s + CHARGED_EVERY_S:
            self._charged_at_s = now_s
            for sequence in self._running:
                self._charge(sequence)
        claims = self._together(rows)
        while True:
            following = self._yielded[0] if self._yielded else self._waiting.peek(now_s)
            if following is None or not scheduling.starts(self._space, claims, following.claim):
                return
            if self._yielded:
                self._yielded.pop(0)
            else:
                self._waiting.pop(now_s)
            self._start(following, now_s)
            claims.append(following.claim)

    def _start(self, sequence: Sequence, now_s: float) -> None:
        if sequence.queue_s < 0:
            sequence.queue_s = now_s - sequence.arrived_at_s
            sequence.turn = turn_s(sequence.caller, now_s), next(self._starts)
        sequence.start()
        sequence.slots = list(itertools.islice(self._new_slots, sequence.decoder.width))
        self._running.append(sequence)
        self.changed = True
        prompt = sequence.prompt
        if prompt.context or sequence.decoder.width > 1 or len(sequence.pending[0]) != len(prompt.tokens):
            return
        reader = self._readers.get(prompt.tokens)
        if reader is None:
            self._readers[prompt.tokens] = sequence
        else:
            sequence.stage = "following"
            sequence.leader = reader

    def _charge(self, sequence: Sequence) -> None:
        served = sequence.decoder.width * sequence.tokens
        self._waiting.charge(sequence.caller.client, served - sequence.charged)
        sequence.charged = served

    def _make_room(self) -> None:
        if self._space.limit_bytes is None:
            return
        self._running.sort(key=_PRECEDENCE)
        count = scheduling.staying(self._space, self._claims())
        yielding = self._running[count:]
        self._running = self._running[:count]
        for sequence in yielding:
            self._on_yield()
            sequence.deliver()
            sequence.stage = "reading"
            sequence.placed = False
            sequence.slots = []
            bisect.insort(self._yielded, sequence, key=_PRECEDENCE)
            self._hand_over(sequence)

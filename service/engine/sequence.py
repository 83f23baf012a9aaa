"""One sequence on its way through the generator: what it was asked for, where its rows lie, and what was told.

Knows a decoder and a reader. Knows nothing of steps, slots' contents or other sequences.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from service.domain import Caller
from service.engine.contracts import Hypothesis, Prompt, Token
from service.engine.decoding import BeamSearch, SampledSequence
from service.engine.fairness import turn_s
from service.engine.scheduling import Claim
from service.errors import ServiceError

Told = Token | Hypothesis | ServiceError
Stage = Literal["reading", "away", "following", "stepping", "paused"]
"""`reading` its prompt, `away` while a run beside the others reads it, `following` another that reads the same prompt,
`stepping` token by token, once it is `placed`, or `paused` for a slow reader.
"""


class Outbox:
    """What was told and not yet read; for one reader, who takes `items` from the left."""

    __slots__ = ("_reader", "items")

    def __init__(self) -> None:
        self.items: deque[Told] = deque()
        self._reader: asyncio.Future[None] | None = None

    def filled(self) -> asyncio.Future[None]:
        """Return what is done as soon as something is told. Not a coroutine: a reader waits for most of its tokens."""
        self._reader = asyncio.get_running_loop().create_future()
        return self._reader

    def put(self, *items: Told) -> int:
        """Tell something; returns how much is unread."""
        self.items.extend(items)
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)
        return len(self.items)


@dataclass(slots=True, eq=False)
class Sequence:
    """`pending` has what each row that reads has to be fed, of which `fed` tokens were; `forked` says that all rows of
    a search have states of their own, not only the first; `leader` reads the prompt for those who follow. `precedence`
    says who comes first when not everybody can: by arrival, a level of priority being worth some time; `turn` who of those who
    started: likewise, by when they did. `placed` says that it is one of those who step side by side; it stays one until it is
    over or must yield.
    """

    number: int
    decoder: SampledSequence | BeamSearch
    prompt: Prompt
    caller: Caller
    arrived_at_s: float
    deadline_at_s: float
    stage: Stage = "reading"
    turn: tuple[float, int] = (math.inf, 0)
    placed: bool = False
    slots: list[int] = field(default_factory=list)
    pending: tuple[tuple[int, ...], ...] = ()
    fed: int = 0
    forked: bool = False
    leader: Sequence | None = None
    queue_s: float = -1.0
    charged: int = 0
    paused_at_s: float = 0.0
    over: bool = False
    outbox: Outbox = field(default_factory=Outbox)
    precedence: tuple[float, int] = field(init=False)

    def __post_init__(self) -> None:
        self.precedence = turn_s(self.caller, self.arrived_at_s), self.number

    @property
    def tokens(self) -> int:
        """How many tokens of each row are known: those of the prompt, and those that were made."""
        return len(self.prompt.tokens) + self.decoder.length

    @property
    def claim(self) -> Claim:
        """What it takes of the state's memory."""
        return Claim(self.decoder.width, self.tokens)

    @property
    def unread(self) -> Claim:
        """The rows that read, and how many tokens each of them still has to read."""
        return Claim(len(self.pending), len(self.pending[0]) - self.fed)

    @property
    def reading_slots(self) -> list[int]:
        """The slots of the rows that read."""
        return self.slots[: len(self.pending)]

    def start(self) -> None:
        """Read everything that is known, from the beginning."""
        self.stage = "reading"
        self.fed = 0
        prompt = self.prompt.tokens
        histories = self.decoder.histories() if self.forked else self.decoder.histories()[:1]
        self.pending = tuple(prompt + history for history in histories)

    def step(self) -> None:
        """Take one token after another from now on."""
        self.stage = "stepping"
        self.pending = ()
        self.forked = True

    def part(self, count: int) -> list[tuple[int, ...]]:
        """Return the next `count` tokens of each row that reads."""
        return [tokens[self.fed : self.fed + count] for tokens in self.pending]

    def deliver(self) -> int:
        """Tell what was made and not told yet; returns how much is unread."""
        if isinstance(self.decoder, SampledSequence) and not self.over:
            tokens = self.decoder.untold(self.queue_s)
            if tokens:
                return self.outbox.put(*tokens)
        return len(self.outbox.items)

    def tell(self, item: Told) -> None:
        """Tell the reader something; an error is the last."""
        self.deliver()
        self.outbox.put(item)
        self.over = self.over or isinstance(item, ServiceError)

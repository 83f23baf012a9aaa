"""A question: what is sent, how its answer is read, and what is right.

Knows bytes, labels and answers; knows no wire and no client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loadtests.traffic.checks import Answer

REST, GRPC = "rest", "grpc"


class BadAnswerError(Exception):
    """An answer that is none: an error in a stream, or not the shape of the wire."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes over a wire: a path with a body, or for gRPC a method with a message."""

    address: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one model over one wire.

    `read` turns the answer's bytes into its parts; of a stream it reads one event or message, whose texts make
    the answer together. Questions with one `key` have the same right answer: the one that is `recorded`, or
    the first that comes.
    """

    word: str
    model: str
    wire: str
    transport: str
    message: Message
    read: Callable[[bytes], Answer]
    key: str
    recorded: Answer | None = None
    tolerance: float = 0.0
    streamed: bool = False

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"{self.word} {self.model} {self.wire}"

    @property
    def labels(self) -> frozenset[str]:
        """What a scope may call it."""
        return frozenset((self.word, self.model, self.wire, self.transport))

"""The seams of the engine: what it needs of a graph, and what the tasks need of it.

Each is a Protocol with few methods and has a fake in `tests/support`. Knows no implementation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from service.bundle import Signature
from service.domain import ANYONE, Array, Caller, FinishReason, Sampling, Tensors, Timing


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """An input or output as the graph itself declares it; a free axis is a name or None."""

    dtype: str
    shape: tuple[int | str | None, ...]


class Session(Protocol):
    """A loaded graph. `run` may be called from several threads at once."""

    @property
    def inputs(self) -> Mapping[str, GraphTensor]:
        """What the graph takes."""

    @property
    def outputs(self) -> Mapping[str, GraphTensor]:
        """What the graph gives."""

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once and return `outputs` in their order; raises whatever the runtime raises."""


@runtime_checkable
class BindingSession(Session, Protocol):
    """A session whose graph runs on the host's memory as it is."""

    def abreast(self, spare: int = 0) -> int:
        """Return how many runs the cores carry now beside those in progress, with the threads that each takes, if `spare`
        cores are left; at least one.
        """

    def bind(self, feeds: Tensors, outputs: Tensors) -> Callable[[], None]:
        """Return a run that reads `feeds` and writes `outputs` in place, whatever is in them then.

        All are contiguous; `outputs` have the shapes and dtypes that the graph gives for these feeds.
        """


class Held(Protocol):
    """A tensor that stays where the graph runs."""

    def numpy(self) -> Array:
        """Return a copy in the host's memory."""


@runtime_checkable
class HoldingSession(Session, Protocol):
    """A session whose graph runs where the host's memory is far away: tensors may stay there between runs."""

    def run_held(
        self, feeds: Mapping[str, Array | Held], outputs: Sequence[str], held: Sequence[str]
    ) -> tuple[list[Array], list[Held]]:
        """Run once and return `outputs` as arrays, and the outputs `held` where they are; raises as `run`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs of one request, cut out of its batch, and how they came about."""

    outputs: Tensors
    timing: Timing


class Runner(Protocol):
    """Runs one signature for many callers at once."""

    @property
    def signature(self) -> Signature:
        """What feeds must look like."""

    async def run(self, feeds: Tensors, outputs: Sequence[str], deadline_at_s: float) -> Answer:
        """Answer one caller. `outputs` empty means all of them.

        Feeds are validated here, before they can meet another caller's: raises Invalid (field
        `inputs.<name>`), Overloaded, TimedOut, Unavailable when closed, Internal.
        """


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where a sequence starts: at least one token id, and the step graph's `context` inputs for it.

    A context array has no batch axis: it is one row of the encoder's output. Tokens in `scored` belong to the
    prompt as well: they are fed one a step, and each is told, with its logprob, before any is chosen.
    """

    tokens: tuple[int, ...]
    context: Tensors = field(default_factory=dict)
    scored: tuple[int, ...] = ()


class Token(NamedTuple):
    """One generated token; `logprob`, if the sampling asked for it, is natural and of the distribution before truncation.

    The last token of a sequence has a finish reason: `stop` for the end token (which is included), or
    `length`. `queue_s` is how long the sequence waited for its slot. `top` has the most probable tokens in its
    place and their logprobs, the best first, as many as were asked for.
    """

    id: int
    logprob: float | None = None
    finish_reason: FinishReason | None = None
    queue_s: float = 0.0
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The best sequence of a beam search, without the end token."""

    tokens: tuple[int, ...]
    score: float
    finish_reason: FinishReason
    queue_s: float = 0.0


class TokenGenerator(Protocol):
    """Continues token sequences, many at a time."""

    def stream(
        self,
        prompt: Prompt,
        sampling: Sampling,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> AsyncGenerator[Token, None]:
        """Yield tokens as they are made; closing the generator frees its slot before the next step.

        Those of `prompt.scored` come first; `max_new_tokens` may be 0 only if there are some.
        Whoever reads too slowly is waited for, and given up in the end (TimedOut). Raises Overloaded, TimedOut,
        TooLarge if it could never fit the cache, Unavailable when closed, Internal.
        """

    async def search(
        self,
        prompt: Prompt,
        beams: int,
        length_penalty: float,
        max_new_tokens: int,
        deadline_at_s: float,
        caller: Caller = ANYONE,
    ) -> Hypothesis:
        """Return the best of a beam search (Wu et al. 2016, section 7, for the length penalty).

        Raises as `stream`, and Invalid (field `beams`) if there are more beams than slots.
        """

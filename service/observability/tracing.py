"""What a trace of a request is told, and by whom: the seam to whatever keeps traces.

Knows the request that is being answered here and now. Knows nothing of OpenTelemetry (`open_telemetry` does), of wires
or of how answers are made, and never sees a payload. Without tracing, all of it is one look at a context variable.

Points in time are on `time.monotonic()`. Spans are made of them when a request has ended, so that nothing on its way
has to open or close any.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Protocol

from service.domain import ModelId, Timing, Word

Value = str | int | float | bool | tuple[str, ...]
Attributes = Mapping[str, Value]
NO_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came: the caller's W3C context (empty strings for none) and what its wire says of it."""

    name: str
    at_s: float
    traceparent: str = ""
    tracestate: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Departure:
    """How a request ended. `failed` means a failure of ours, `refused` one of the caller's; `name` replaces the first."""

    at_s: float
    name: str | None = None
    attributes: Attributes = field(default_factory=dict)
    failed: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens were read and made, and why the last was the last."""

    prompt: int
    completion: int
    finish_reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """What the gateway's door saw of a request; `outcome` is `ok` or the error's code, `model` None if none was found."""

    word: Word
    request_id: str
    model: ModelId | None
    outcome: str
    started_at_s: float
    ended_at_s: float
    timing: Timing = NO_TIMING
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A request that took part in a run, and since when it had waited."""

    trace: Trace
    since_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of a graph for several requests; `waits` has those whose traces are kept."""

    model: ModelId
    signature: str
    started_at_s: float
    ended_at_s: float
    run_s: float
    requests: int
    rows: int
    padding: float
    reason: str
    failed: bool
    waits: tuple[Wait, ...]


class Trace(Protocol):
    """One request's trace. If it is not `sampled`, telling it anything is of no use."""

    @property
    def ids(self) -> Mapping[str, str]:
        """`trace_id` and `span_id` in hexadecimal, for logs; nothing if there is no trace."""

    @property
    def sampled(self) -> bool:
        """Whether it is kept."""

    @property
    def exemplar(self) -> dict[str, str] | None:
        """What an observation says of it: its ids if it is kept."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The W3C context of the answer."""

    def visited(self, visit: Visit) -> None:
        """Tell of a visit to the gateway; there may be several."""

    def depart(self, departure: Departure) -> None:
        """End it; the last thing that it is told."""


class Tracer(Protocol):
    """Keeps traces. Nothing here blocks but `close`, and nothing raises."""

    @property
    def enabled(self) -> bool:
        """Whether there is any use in starting traces."""

    def start(self, arrival: Arrival) -> Trace:
        """Begin the trace of a request."""

    def ran(self, batch: Batch) -> None:
        """Tell of a run; those that waited for it are told as well."""

    def close(self) -> None:
        """Send what is left; blocks until it is sent or given up."""


class Untraced:
    """The trace of a request that has none."""

    ids: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    exemplar: dict[str, str] | None = None
    sampled = False

    def visited(self, visit: Visit) -> None:
        """Forget it."""

    def depart(self, departure: Departure) -> None:
        """Forget it."""


UNTRACED: Trace = Untraced()


class NullTracer:
    """Keeps nothing."""

    enabled = False

    def start(self, arrival: Arrival) -> Trace:  # noqa: ARG002  # what a tracer is told
        """Return the trace that is none."""
        return UNTRACED

    def ran(self, batch: Batch) -> None:
        """Forget it."""

    def close(self) -> None:
        """Do nothing."""


NULL_TRACER: Tracer = NullTracer()
_current: ContextVar[Trace] = ContextVar("trace", default=UNTRACED)


def current() -> Trace:
    """Return the trace of the request that is being answered in this context."""
    return _current.get()


def current_if_sampled() -> Trace | None:
    """Return the same, or None if it is not kept."""
    trace = _current.get()
    return trace if trace.sampled else None


def enter(trace: Trace) -> Token[Trace]:
    """Make `trace` the one of this context, until `leave`."""
    return _current.set(trace)


def leave(token: Token[Trace]) -> None:
    """Undo `enter`."""
    _current.reset(token)

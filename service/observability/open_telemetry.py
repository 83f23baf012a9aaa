"""Keep traces with OpenTelemetry and send them to a collector (OTLP over gRPC).

Alone with the `opentelemetry` packages. Knows spans and exporters; which spans there are is decided in `stages`.

A span is made whole when what it tells of has ended: its times and its parent are known by then, and a live one of the
library's costs several times as much. Spans are queued, and sent by a thread of the library: what cannot be sent in time
is dropped, and no request waits or fails for it. The library itself reads the standard variables of headers,
certificates, compression, queue sizes and resource attributes (`OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*`,
`OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState

from service import __version__
from service.config import Tracing
from service.observability import stages
from service.observability.stages import Stage
from service.observability.tracing import Arrival, Batch, Departure, Trace, Visit

MAX_STAGES = 128
"""Parts of one request that are told; a request for thousands of embeddings has thousands of runs."""
CLOCK_STEP_NS = 1_000_000
"""Two looks at two clocks differ by less."""
# It warns of every `tracestate` that is malformed, and quotes it: what callers send does not belong in the log.
logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)
_W3C = TraceContextTextMapPropagator()
_SCOPE = InstrumentationScope("sluice", __version__)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)
_NOBODY = Context()


class _Maker:
    """Makes spans that have ended, and hands them on."""

    def __init__(self, resource: Resource, processor: SpanProcessor) -> None:
        self._resource = resource
        self._processor = processor
        self._random = RandomIdGenerator()
        self._zero_ns = 0

    def trace_id(self) -> int:
        """Return the id of a new trace."""
        return self._random.generate_trace_id()

    def identity(
        self, trace_id: int, state: TraceState | None = None, *, sampled: bool = True
    ) -> SpanContext:
        """Return who a new span of a trace is."""
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return SpanContext(trace_id, self._random.generate_span_id(), False, flags, state)

    def make(
        self,
        identity: SpanContext,
        parent: SpanContext | None,
        stage: Stage,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[SpanContext] = (),
    ) -> None:
        """Make the span of a stage."""
        self._processor.on_end(
            ReadableSpan(
                stage.name,
                identity,
                parent,
                self._resource,
                stage.attributes,
                links=[Link(each) for each in links],
                kind=kind,
                status=_ERROR if stage.failed else _UNSET,
                start_time=self._unix_ns(stage.started_at_s),
                end_time=self._unix_ns(stage.ended_at_s),
                instrumentation_scope=_SCOPE,
            )
        )

    def _unix_ns(self, at_s: float) -> int:
        """Return a point in time as nanoseconds since 1970.

        When the monotonic clock was at zero is asked each time and believed only if it has changed: the spans of a
        trace must not lie beside one another by what two questions differ.
        """
        zero_ns = time.time_ns() - time.monotonic_ns()
        if abs(zero_ns - self._zero_ns) > CLOCK_STEP_NS:
            self._zero_ns = zero_ns
        return self._zero_ns + round(at_s * 1e9)


class RequestTrace:
    """One request's span, and what was recorded for the spans below it."""

    __slots__ = (
        "_arrival",
        "_left_out",
        "_maker",
        "_parent",
        "_stages",
        "_visits",
        "exemplar",
        "identity",
        "ids",
        "sampled",
    )

    def __init__(self, maker: _Maker, sampler: Sampler, arrival: Arrival) -> None:
        self._maker = maker
        self._arrival = arrival
        caller = _caller(arrival)
        parent = get_current_span(caller).get_span_context()
        self._parent = parent if parent.is_valid else None
        trace_id = parent.trace_id if parent.is_valid else maker.trace_id()
        chosen = sampler.should_sample(caller, trace_id, arrival.name, SpanKind.SERVER)
        self.sampled = chosen.decision is Decision.RECORD_AND_SAMPLE
        self.identity = maker.identity(trace_id, chosen.trace_state, sampled=self.sampled)
        self.ids = {
            "trace_id": format_trace_id(trace_id),
            "span_id": format_span_id(self.identity.span_id),
        }
        self.exemplar = self.ids if self.sampled else None
        self._visits: list[Visit] = []
        self._stages: list[Stage] = []
        self._left_out = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """`traceparent`, and `tracestate` if the caller sent one."""
        flags = self.identity.trace_flags
        headers = {"traceparent": f"00-{self.ids['trace_id']}-{self.ids['span_id']}-{flags:02x}"}
        if self.identity.trace_state:
            headers["tracestate"] = self.identity.trace_state.to_header()
        return headers

    def visited(self, visit: Visit) -> None:
        """Remember it until the end; of the very many that one stream may make, the first ones and the last."""
        if len(self._visits) < MAX_STAGES:
            self._visits.append(visit)
        else:
            self._visits[-1] = visit

    def passed(self, *passed: Stage) -> None:
        """Remember parts that have ended, as many as are kept."""
        kept = passed[: MAX_STAGES - len(self._stages)]
        self._stages += kept
        self._left_out += len(passed) - len(kept)

    def depart(self, departure: Departure) -> None:
        """Make the request's span and those below it.

        What did no work, went well and belongs to nobody's trace (a probe, a list of models) is not kept.
        """
        worked = self._visits or departure.failed or departure.refused or self._parent is not None
        if not self.sampled or not worked:
            return
        arrival = self._arrival
        around = stages.of_visits(self._visits, arrival.at_s, departure.at_s)
        below = sorted((*self._stages, *around), key=lambda stage: stage.started_at_s)
        told = {**arrival.attributes, **departure.attributes, **stages.of_request(self._visits)}
        left_out = self._left_out + max(0, len(below) - MAX_STAGES)
        if left_out:
            told["sluice.stages_left_out"] = left_out
        for stage in below[:MAX_STAGES]:
            links = [stage.batch] if isinstance(stage.batch, SpanContext) else []
            own = self._maker.identity(self.identity.trace_id, self.identity.trace_state)
            self._maker.make(own, self.identity, stage, links=links)
        name = departure.name or arrival.name
        whole = Stage(name, arrival.at_s, departure.at_s, told, failed=departure.failed)
        self._maker.make(self.identity, self._parent, whole, SpanKind.SERVER)


class OpenTelemetryTracer:
    """A `tracing.Tracer` over OpenTelemetry's SDK; `processor` takes the place of the one that sends."""

    enabled = True

    def __init__(self, settings: Tracing, processor: SpanProcessor | None = None) -> None:
        resource = Resource.create({"service.name": settings.service_name, "service.version": __version__})
        self._processor = processor or BatchSpanProcessor(_exporter(settings))
        self._maker = _Maker(resource, self._processor)
        self._sampler = _sampler(settings)

    def start(self, arrival: Arrival) -> Trace:
        """Begin the trace of a request, below its caller's span if it told one (W3C Trace Context)."""
        return RequestTrace(self._maker, self._sampler, arrival)

    def ran(self, batch: Batch) -> None:
        """Make one span for the run, in a trace of its own, linked to its requests; tell them of it."""
        ours = [(wait, wait.trace) for wait in batch.waits]
        told = [(wait, trace) for wait, trace in ours if isinstance(trace, RequestTrace)]
        if not told:
            return
        identity = self._maker.identity(self._maker.trace_id())
        links = [trace.identity for _, trace in told]
        self._maker.make(identity, None, stages.of_batch(batch), links=links)
        for wait, trace in told:
            trace.passed(*stages.of_wait(wait, batch, identity))

    def close(self) -> None:
        """Send what is left; the exporter's own time limits hold."""
        self._processor.shutdown()


def _caller(arrival: Arrival) -> Context:
    """Return the caller's context; one that is not as W3C Trace Context wants it is none."""
    if not arrival.traceparent:
        return _NOBODY
    carrier = {"traceparent": arrival.traceparent, "tracestate": arrival.tracestate}
    return _W3C.extract(carrier, _NOBODY)


def _sampler(settings: Tracing) -> Sampler:
    ratio = TraceIdRatioBased(settings.sample_ratio)
    return ParentBased(ratio) if settings.parent_based else ratio


def _exporter(settings: Tracing) -> OTLPSpanExporter:
    endpoint = settings.endpoint or ""
    return OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))

"""Keep traces with OpenTelemetry and send them to a collector (OTLP over gRPC).

Alone with the `opentelemetry` packages. Knows spans and exporters; which spans there are is decided in `stages`.

Spans are queued, and sent by a thread of the library: what cannot be sent in time is dropped, and no request waits or
fails for it. Besides its settings the library reads the standard variables of headers, certificates, compression,
queue sizes and resource attributes (`OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as SpanMaker
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.config import Tracing
from service.observability import stages
from service.observability.stages import Stage
from service.observability.tracing import Arrival, Batch, Departure, Trace, Visit

MAX_STAGES = 128
"""Parts of one request that are told; a request for thousands of embeddings has thousands of runs."""
_W3C = TraceContextTextMapPropagator()


class RequestTrace:
    """One request's span, and what was recorded for the spans below it."""

    __slots__ = (
        "_arrival", "_called", "_maker", "_span", "_stages", "_visits", "_zero_ns", "exemplar", "ids", "sampled",
    )  # fmt: skip

    def __init__(self, maker: SpanMaker, arrival: Arrival) -> None:
        self._maker = maker
        self._arrival = arrival
        self._zero_ns = _zero_ns()
        parent = _caller(arrival)
        self._called = get_current_span(parent).get_span_context().is_valid
        self._span = maker.start_span(
            arrival.name,
            context=parent,
            kind=SpanKind.SERVER,
            attributes=dict(arrival.attributes),
            start_time=_unix_ns(arrival.at_s, self._zero_ns),
        )
        context = self._span.get_span_context()
        self.sampled = context.trace_flags.sampled
        self.ids = {
            "trace_id": format_trace_id(context.trace_id),
            "span_id": format_span_id(context.span_id),
        }
        self.exemplar = self.ids if self.sampled else None
        self._visits: list[Visit] = []
        self._stages: list[Stage] = []

    @property
    def context(self) -> SpanContext:
        """What a link to it says."""
        return self._span.get_span_context()

    @property
    def headers(self) -> Mapping[str, str]:
        """`traceparent`, and `tracestate` if the caller sent one."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._span, Context()))
        return carrier

    def visited(self, visit: Visit) -> None:
        """Remember it until the end."""
        self._visits.append(visit)

    def passed(self, *passed: Stage) -> None:
        """Remember parts that have ended."""
        self._stages += passed

    def depart(self, departure: Departure) -> None:
        """Make the spans below this one, and end it.

        What did no work, went well and belongs to nobody's trace (a probe, a list of models) is not kept.
        """
        worked = self._visits or departure.failed or departure.refused or self._called
        if not self.sampled or not worked:
            return
        span = self._span
        if departure.name is not None:
            span.update_name(departure.name)
        span.set_attributes({**departure.attributes, **stages.of_request(self._visits)})
        if departure.failed:
            span.set_status(Status(StatusCode.ERROR))
        around = list(stages.of_visits(self._visits, self._arrival.at_s, departure.at_s))
        below = sorted((*self._stages, *around), key=lambda stage: stage.started_at_s)
        for stage in below[:MAX_STAGES]:
            self._make(stage)
        if len(below) > MAX_STAGES:
            span.set_attribute("sluice.stages_left_out", len(below) - MAX_STAGES)
        span.end(_unix_ns(departure.at_s, self._zero_ns))

    def _make(self, stage: Stage) -> None:
        span = self._maker.start_span(
            stage.name,
            context=set_span_in_context(self._span, Context()),
            attributes=dict(stage.attributes),
            links=[Link(stage.batch)] if isinstance(stage.batch, SpanContext) else None,
            start_time=_unix_ns(stage.started_at_s, self._zero_ns),
        )
        _end(span, _unix_ns(stage.ended_at_s, self._zero_ns), failed=stage.failed)


class OpenTelemetryTracer:
    """A `tracing.Tracer` over OpenTelemetry's SDK; `processor` takes the place of the one that sends."""

    enabled = True

    def __init__(self, settings: Tracing, processor: SpanProcessor | None = None) -> None:
        resource = Resource.create({"service.name": settings.service_name, "service.version": __version__})
        self._processor = processor or BatchSpanProcessor(_exporter(settings))
        self._requests = self._maker(_sampler(settings), resource)
        # A batch is kept if one of its requests is: that was decided already.
        self._batches = self._maker(ALWAYS_ON, resource)

    def start(self, arrival: Arrival) -> Trace:
        """Begin the trace of a request, below its caller's span if it told one (W3C Trace Context)."""
        return RequestTrace(self._requests, arrival)

    def ran(self, batch: Batch) -> None:
        """Make one span for the run, linked to its requests, and tell them of it."""
        traces = [(wait, wait.trace) for wait in batch.waits]
        ours = [(wait, trace) for wait, trace in traces if isinstance(trace, RequestTrace)]
        if not ours:
            return
        zero_ns = _zero_ns()
        span = self._batches.start_span(
            f"batch {batch.model.name}",
            context=Context(),
            attributes=dict(stages.of_batch(batch)),
            links=[Link(trace.context) for _, trace in ours],
            start_time=_unix_ns(batch.started_at_s, zero_ns),
        )
        _end(span, _unix_ns(batch.ended_at_s, zero_ns), failed=batch.failed)
        for wait, trace in ours:
            trace.passed(*stages.of_wait(wait, batch, span.get_span_context()))

    def close(self) -> None:
        """Send what is left; the exporter's own time limits hold."""
        self._processor.shutdown()

    def _maker(self, sampler: Sampler, resource: Resource) -> SpanMaker:
        provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider.get_tracer("sluice", __version__)


def _caller(arrival: Arrival) -> Context:
    """Return the caller's context; one that is not as W3C Trace Context wants it is none."""
    if not arrival.traceparent:
        return Context()
    carrier = {"traceparent": arrival.traceparent, "tracestate": arrival.tracestate}
    return _W3C.extract(carrier, Context())


def _sampler(settings: Tracing) -> Sampler:
    ratio = TraceIdRatioBased(settings.sample_ratio)
    return ParentBased(ratio) if settings.parent_based else ratio


def _exporter(settings: Tracing) -> OTLPSpanExporter:
    endpoint = settings.endpoint or ""
    return OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))


def _zero_ns() -> int:
    """Return when the monotonic clock was at zero, in nanoseconds since 1970; asked once for each trace."""
    return time.time_ns() - time.monotonic_ns()


def _unix_ns(at_s: float, zero_ns: int) -> int:
    return zero_ns + round(at_s * 1e9)


def _end(span: Span, at_ns: int, *, failed: bool) -> None:
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    span.end(at_ns)

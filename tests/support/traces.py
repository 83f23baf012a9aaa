"""A real OpenTelemetry tracer whose spans stay in memory, and ways to look at them."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.config import Tracing
from service.observability.open_telemetry import OpenTelemetryTracer

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_ID = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{CALLER_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{CALLER_ID}-00"
MALFORMED = (
    "",
    "nonsense",
    TRACEPARENT.upper().replace("00-", "0G-"),
    f"ff-{TRACE_ID}-{CALLER_ID}-01",
    f"00-{'0' * 32}-{CALLER_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"00-{TRACE_ID}-{CALLER_ID}-01-more",
    f"00-{TRACE_ID[:-1]}-{CALLER_ID}-01",
    f"00-{TRACE_ID}-{CALLER_ID}",
    "é" * 55,
    "0" * 10_000,
)


class Memory:
    """`tracer`, and the spans that it has ended."""

    def __init__(self, settings: Tracing | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = OpenTelemetryTracer(settings or Tracing(), SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All of them, in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Return those with a name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only one with a name."""
        (span,) = self.named(name)
        return span

"""An OpenTelemetry collector that keeps what it is sent: OTLP over gRPC on a free port of this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True)
class Received:
    """A span as it came; ids in hexadecimal, times in nanoseconds since 1970, `links` as pairs of ids."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    started_ns: int
    ended_ns: int
    failed: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()


class Collector:
    """Listens while it is entered."""

    def __init__(self) -> None:
        self.exports: list[ExportTraceServiceRequest] = []
        self._server = grpc.server(ThreadPoolExecutor(max_workers=1))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export,
            ExportTraceServiceRequest.FromString,
            ExportTraceServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),)
        )
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _export(self, request: ExportTraceServiceRequest, _: grpc.ServicerContext) -> Any:
        self.exports.append(request)
        return ExportTraceServiceResponse()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    @property
    def services(self) -> set[str]:
        """Names of the services that sent something."""
        return {
            attribute.value.string_value
            for export in self.exports
            for each in export.resource_spans
            for attribute in each.resource.attributes
            if attribute.key == "service.name"
        }

    @property
    def spans(self) -> list[Received]:
        """Everything that came, in the order of its beginning."""
        came = [
            _received(span)
            for export in self.exports
            for each in export.resource_spans
            for scope in each.scope_spans
            for span in scope.spans
        ]
        return sorted(came, key=lambda span: span.started_ns)

    def of_trace(self, trace_id: str) -> dict[str, Received]:
        """Return the spans of one trace by name."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}


def _received(span: Any) -> Received:
    return Received(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == span.status.STATUS_CODE_ERROR,
        {each.key: _value(each.value) for each in span.attributes},
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)

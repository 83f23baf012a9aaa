"""Begins a trace for each rpc and ends it when the method has ended.

Knows grpcio and the names that gRPC has in traces (OpenTelemetry's semantic conventions). Knows no service; without
tracing it is not there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from service.observability import tracing
from service.observability.tracing import Arrival, Departure, Trace, Tracer

OF_OURS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Statuses that make a server's span an error."""
_STATUSES = {status.value[0]: status for status in grpc.StatusCode}
Context = Any
Handler = Any


class TracedRpcs(grpc.aio.ServerInterceptor):
    """Answers as the methods do, with the W3C context of the trace in the initial metadata.

    What gRPC asks of itself (health, reflection) is left alone.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the method's handler, traced."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or method.startswith("/grpc."):
            return handler
        return self._traced(method, handler)

    def _traced(self, method: str, handler: Handler) -> Handler:
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        async def handle(asked: Any, context: Context) -> Any:
            async with self._trace(method, context):
                return await inner(asked, context)

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(handle, handler.request_deserializer, handler.response_serializer)

    @asynccontextmanager
    async def _trace(self, method: str, context: Context) -> AsyncGenerator[None, None]:
        trace = self._tracer.start(arrival(method, context.invocation_metadata() or (), time.monotonic()))
        token = tracing.enter(trace)
        ended = False
        try:
            await _begin(context, trace)
            yield
            ended = True
        finally:
            tracing.leave(token)
            if trace.sampled:
                trace.depart(departure(context.code(), time.monotonic(), ended=ended))


async def _begin(context: Context, trace: Trace) -> None:
    """Tell the caller the context; raises CancelledError if it has left already."""
    try:
        await context.send_initial_metadata(tuple(trace.headers.items()))
    except Exception as error:
        raise asyncio.CancelledError("the caller left") from error


def arrival(method: str, metadata: Any, now_s: float) -> Arrival:
    """Return what the head of an rpc says; more than one `traceparent` says nothing, many `tracestate` are one."""
    parents = [str(value) for name, value in metadata if name == "traceparent"]
    states = [str(value) for name, value in metadata if name == "tracestate"]
    return Arrival(
        method[1:],
        now_s,
        parents[0] if len(parents) == 1 else "",
        ",".join(states),
        {"rpc.system.name": "grpc", "rpc.method": method[1:]},
    )


def departure(code: Any, now_s: float, *, ended: bool) -> Departure:
    """Return how an rpc ended: with `code` if it has one, well if its method has `ended`, else its caller left."""
    status = code if isinstance(code, grpc.StatusCode) else _STATUSES.get(code or 0, grpc.StatusCode.UNKNOWN)
    if status is grpc.StatusCode.OK and not ended:
        status = grpc.StatusCode.CANCELLED
    attributes: dict[str, tracing.Value] = {"rpc.response.status_code": status.name}
    failed = status in OF_OURS
    refused = status is not grpc.StatusCode.OK and not failed
    if failed or refused:
        attributes["error.type"] = status.name
    return Departure(now_s, None, attributes, failed=failed, refused=refused)

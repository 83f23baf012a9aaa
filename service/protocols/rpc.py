"""Binds plain methods, from message bytes to message bytes, to a gRPC server, and turns errors into statuses.

A method gets the bytes of one message and the `Call`; it knows nothing of grpcio, and this file nothing of
what messages mean.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from service.domain import Call
from service.errors import Code, Internal, Invalid, ServiceError, TimedOut
from service.protocols import http
from service.protocols.limits import WireLimits

GRPC_STATUS: Mapping[Code, grpc.StatusCode] = {
    Code.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Code.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.CANCELLED: grpc.StatusCode.CANCELLED,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
    Code.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.TIMED_OUT: grpc.StatusCode.DEADLINE_EXCEEDED,
}

UnaryMethod = Callable[[bytes, Call], Awaitable[bytes]]
StreamMethod = Callable[[bytes, Call], AsyncGenerator[bytes, None]]
DuplexMethod = Callable[[AsyncIterator[tuple[bytes, Call]]], AsyncGenerator[bytes, None]]
"""From a stream of messages, each with its own `Call`, to a stream of answers."""
Context = Any
"""A grpc.aio.ServicerContext, whose stubs are generic over messages that we do not let grpcio parse."""

GRACE_S = 1.0
"""How long after its deadline a caller that does not read a stream is waited for."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_FIELD_CHARACTERS = 256
_STATUS_BYTES = 1536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RpcService:
    """A service by its full name: methods that answer once, that answer with a stream, and that answer a stream
    with a stream. Those of `patient` may take long: without a deadline of the caller's, they have the latest.
    """

    name: str
    unary: Mapping[str, UnaryMethod]
    streams: Mapping[str, StreamMethod]
    duplex: Mapping[str, DuplexMethod] = field(default_factory=dict)
    patient: frozenset[str] = frozenset()


def options(limits: WireLimits) -> list[tuple[str, int]]:
    """Return the channel options of a server: what it takes, and no sharing of its port with a stranger."""
    return [
        ("grpc.max_receive_message_length", limits.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]


def add_service(server: grpc.aio.Server, service: RpcService, limits: WireLimits) -> None:
    """Make `server` answer the methods of `service`."""
    handlers: dict[str, Any] = {}
    for name, unary in service.unary.items():
        allowed = limits.patient() if name in service.patient else limits
        handlers[name] = grpc.unary_unary_rpc_method_handler(_unary_handler(unary, allowed))
    for name, stream in service.streams.items():
        handlers[name] = grpc.unary_stream_rpc_method_handler(_stream_handler(stream, limits))
    for name, duplex in service.duplex.items():
        handlers[name] = grpc.stream_stream_rpc_method_handler(_duplex_handler(duplex, limits))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.name, handlers),))


def parse(kind: Any, message: bytes) -> Any:
    """Return `message` as a protobuf message of type `kind`; raises Invalid."""
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise Invalid(f"these bytes are not a {kind.DESCRIPTOR.full_name}", field="message") from error


def call(
    metadata: Mapping[str, str | bytes], remaining_s: float | None, limits: WireLimits, peer: str = ""
) -> Call:
    """Return what surrounds an rpc from `peer` of which `remaining_s` are left, None for as long as it takes."""
    given = metadata.get("x-request-id")
    known = isinstance(given, str) and _REQUEST_ID.fullmatch(given) is not None
    request_id = str(given) if known else http.new_request_id()
    allowed_s = limits.default_timeout_s if remaining_s is None else min(remaining_s, limits.max_timeout_s)
    credentials = str(metadata.get("authorization", ""))
    named = metadata.get("x-client-id")
    # The peer's port changes with each connection: without it, what is left is the machine.
    client = peer.rpartition(":")[0] if named is None else http.client_named(named)
    variant = str(metadata.get("x-sluice-variant", ""))
    return Call(request_id, "grpc", time.monotonic() + allowed_s, credentials, client, variant)


def error_metadata(error: ServiceError, request_id: str) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata of a failed rpc; a field that is not ASCII is escaped, a long one cut."""
    entries = [("sluice-request-id", request_id)]
    if error.field is not None:
        entries.append(("sluice-error-field", _ascii(error.field)))
    if error.retry_after_s is not None:
        entries.append(("sluice-retry-after-s", f"{error.retry_after_s:.3f}"))
    return tuple(entries)


def _ascii(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped[:_FIELD_CHARACTERS]


def _status_text(message: str) -> str:
    """Return `message` as UTF-8 text that, percent-encoded, clients take for a header."""
    return message.encode("utf-8", "backslashreplace")[:_STATUS_BYTES].decode("utf-8", "ignore")


def _call_of(context: Context, limits: WireLimits) -> Call:
    metadata = dict(context.invocation_metadata() or ())
    return call(metadata, context.time_remaining(), limits, context.peer())


def _check_deadline(call: Call) -> None:
    if call.deadline_at_s <= time.monotonic():
        raise TimedOut("the deadline had passed when the request came", field="grpc-timeout")


def _unary_handler(method: UnaryMethod, limits: WireLimits) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def handle(message: bytes, context: Context) -> bytes:
        call = _call_of(context, limits)
        try:
            _check_deadline(call)
            answer = await method(message, call)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status, in one place
            await _abort(context, error, call.request_id)
        context.set_trailing_metadata((("sluice-request-id", call.request_id),))
        return answer

    return handle


def _stream_handler(method: StreamMethod, limits: WireLimits) -> Callable[[bytes, Context], Awaitable[None]]:
    async def handle(message: bytes, context: Context) -> None:
        # Written to the context, not yielded: a handler that is cancelled while it yields would leave the
        # method's generator, and with it a slot, to the garbage collector.
        call = _call_of(context, limits)
        try:
            _check_deadline(call)
            async with aclosing(method(message, call)) as pieces:
                async for piece in pieces:
                    await _write(context, piece, call)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status, in one place
            await _abort(context, error, call.request_id)
        context.set_trailing_metadata((("sluice-request-id", call.request_id),))

    return handle


def _duplex_handler(
    method: DuplexMethod, limits: WireLimits
) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
    async def handle(messages: AsyncIterator[bytes], context: Context) -> None:
        call = _call_of(context, limits)

        async def calls() -> AsyncGenerator[tuple[bytes, Call], None]:
            nonlocal call
            async for message in messages:
                call = _call_of(context, limits)  # each message has its own time
                yield message, call

        try:
            _check_deadline(call)
            async with aclosing(calls()) as given, aclosing(method(given)) as pieces:
                async for piece in pieces:
                    await _write(context, piece, call)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status, in one place
            await _abort(context, error, call.request_id)
        context.set_trailing_metadata((("sluice-request-id", call.request_id),))

    return handle


async def _write(context: Context, piece: bytes, call: Call) -> None:
    """Write one piece.

    Raises CancelledError if the caller has left, or does not read until past its deadline: the rpc ends, and
    nobody is left to be told a status.
    """
    wait_until_s = max(call.deadline_at_s, time.monotonic()) + GRACE_S
    try:
        async with asyncio.timeout_at(wait_until_s):
            await context.write(piece)
    except Exception as error:
        raise asyncio.CancelledError("the caller left, or does not read its answer") from error


async def _abort(context: Context, error: Exception, request_id: str) -> NoReturn:
    if not isinstance(error, ServiceError):
        _log.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
        error = Internal("internal error")
    message = _status_text(error.message)
    await context.abort(GRPC_STATUS[error.code], message, error_metadata(error, request_id))
    raise AssertionError("abort does not return")

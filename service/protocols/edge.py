"""The outermost ASGI app: names each request, bounds its body and its time, and turns errors into answers.

Knows no route but those that it is told to answer directly, past the router; knows nothing of tasks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.domain import Call, Timing
from service.errors import Cancelled, Internal, ServiceError, TimedOut
from service.protocols import compression, http
from service.protocols.limits import WireLimits

CALL = "sluice.call"
"""Where the ASGI scope keeps the `Call`."""

Direct = Callable[[bytes, Call], Awaitable[tuple[bytes, Timing]]]
"""A POST route without a router: from a JSON body to a JSON body."""

ErrorAnswer = Callable[[ServiceError, str], tuple[int, http.RawHeaders, bytes]]
"""From an error and the request's id to status, headers (without the id) and body."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A protocol that answers its own requests past the router, and tells the edge's refusals in its own words.

    `claims` says of a method and a path, as it was sent, whether a request is of this protocol. With `packs`,
    whole answers are compressed as the caller accepts it.
    """

    claims: Callable[[str, str], bool]
    app: ASGIApp
    error_answer: ErrorAnswer = http.error_answer
    packs: bool = False


LINGER_S = 1.0
LINGER_BYTES = 16 * 2**20
"""How long, and how much of, a refused body is still read: its sender should see the answer, not a reset."""

_log = logging.getLogger(__name__)


class Edge:
    """Wraps `app`; POST requests for a path in `direct`, and what a wire claims, are answered without it.

    The router and its middleware cost more than a small model's run, hence `direct`. `mounted` has the apps that
    do all of this in their own way, by the first part of their paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: WireLimits,
        direct: Mapping[str, Direct],
        wires: Sequence[Wire] = (),
        mounted: Mapping[str, ASGIApp] | None = None,
    ) -> None:
        self._app = app
        self._default = Wire(lambda _method, _path: True, app)
        self._limits = limits
        self._direct = dict(direct)
        self._wires = tuple(wires)
        self._mounted = dict(mounted or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes (lifespan) pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        mounted = self._mounted.get(scope["path"][1:].partition("/")[0])
        if mounted is not None:
            await mounted(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = http.request_id(headers)
        direct = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
        wire = self._default if direct is not None else self._wire_of(scope)
        try:
            call = http.call(headers, self._limits, request_id, time.monotonic(), scope.get("client"))
            http.check_body_headers(headers, self._limits)
            compression.encoding_of(headers.get(b"content-encoding"))
        except ServiceError as error:
            await _refuse(receive, send, wire.error_answer(error, request_id), request_id)
            return
        if direct is None:
            await self._pass_on(wire, scope, receive, send, call)
        else:
            await self._answer(direct, headers, receive, send, call)

    def _wire_of(self, scope: Scope) -> Wire:
        method, path = scope["method"], sent_path(scope)
        return next((wire for wire in self._wires if wire.claims(method, path)), self._default)

    async def _answer(
        self, direct: Direct, headers: http.Headers, receive: Receive, send: Send, call: Call
    ) -> None:
        try:
            body = await self._read(receive, headers, call)
        except ServiceError as error:
            await _refuse(receive, send, http.error_answer(error, call.request_id), call.request_id)
            return
        try:
            http.check_json_type(headers)
            content, timing = await direct(body, call)
        except ServiceError as error:
            await _send_error(send, error, call.request_id)
            return
        except Exception:  # noqa: BLE001  # it is logged here, and becomes an answer
            _log.exception("request %s failed", call.request_id)
            await _send_error(send, Internal("internal error"), call.request_id)
            return
        answer_headers = http.timing_headers(timing)
        answer_headers.append((b"content-type", b"application/json"))
        answer_headers.append((b"content-length", b"%d" % len(content)))
        answer_headers.append((b"x-request-id", call.request_id.encode("ascii")))
        await send({"type": "http.response.start", "status": 200, "headers": answer_headers})
        await send({"type": "http.response.body", "body": content})

    async def _read(self, receive: Receive, headers: http.Headers, call: Call) -> bytes:
        max_bytes = self._limits.max_body_bytes
        try:
            async with asyncio.timeout_at(call.deadline_at_s):
                body = await read_body(receive, max_bytes)
        except TimeoutError as error:
            raise TimedOut("the body had not arrived when the deadline passed", field="body") from error
        encoding = compression.encoding_of(headers.get(b"content-encoding"))
        return body if encoding is None else await compression.unpacked(body, encoding, max_bytes)

    async def _pass_on(self, wire: Wire, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        started = False
        headers = dict(scope["headers"])
        if wire.packs:
            send = _packing(send, headers.get(b"accept-encoding"))

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", call.request_id.encode("ascii"))]
            await send(message)

        scope[CALL] = call
        try:
            if scope["method"] in {"POST", "PUT", "PATCH"}:
                receive = _given(await self._read(receive, headers, call), receive)
            await wire.app(scope, receive, send_named)
        except ServiceError as error:
            await _refuse(receive, send, wire.error_answer(error, call.request_id), call.request_id)
        except Exception:  # noqa: BLE001  # it is logged here, and becomes an answer
            _log.exception("request %s failed", call.request_id)
            if not started:
                await _send_error(send, Internal("internal error"), call.request_id, wire.error_answer)


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the whole body.

    Raises TooLarge as soon as more than `max_bytes` have come, Cancelled if the caller leaves before its end.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Cancelled("the caller left before the end of the body")
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            raise http.too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join((*pieces, piece)) if pieces else piece
        pieces.append(piece)


def _given(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives `body` once, and then what the server has to say (a disconnect)."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _packing(send: Send, accept_encoding: bytes | None) -> Send:
    """Return a send that compresses an answer which comes as one body; a stream stays as it is."""
    start: Message | None = None

    async def send_packed(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        if start is not None:
            if not message.get("more_body", False):
                body, added = await compression.packed(message["body"], accept_encoding)
                kept = (entry for entry in start["headers"] if not (added and entry[0] == b"content-length"))
                length = [(b"content-length", b"%d" % len(body))] if added else []
                start["headers"] = [*kept, *length, *added]
                message = {**message, "body": body}
            await send(start)
            start = None
        await send(message)

    return send_packed


def sent_path(scope: Scope) -> str:
    """Return the path as it was sent, percent-encoded; a server that does not tell has decoded it."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


async def _send_error(
    send: Send, error: ServiceError, request_id: str, error_answer: ErrorAnswer = http.error_answer
) -> None:
    status, headers, body = error_answer(error, request_id)
    headers.append((b"x-request-id", request_id.encode("ascii")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(
    receive: Receive, send: Send, answer: tuple[int, http.RawHeaders, bytes], request_id: str
) -> None:
    status, headers, body = answer
    named = [*headers, (b"x-request-id", request_id.encode("ascii"))]
    await answer_unread(receive, send, (status, named, body))


async def answer_unread(receive: Receive, send: Send, answer: tuple[int, http.RawHeaders, bytes]) -> None:
    """Answer before the body has been read, and close the connection: its rest is of no use."""
    status, headers, body = answer
    headers = [*headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            await _discard(receive)
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        left -= len(message.get("body", b""))

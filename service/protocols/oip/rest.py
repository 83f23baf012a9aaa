"""The protocol's ASGI app for everything below `/v2`: bounds body and time, finds the action, sends its answer.

Knows HTTP. What an action means is in `actions`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from service.domain import Call
from service.errors import Internal, NotFound, ServiceError, TimedOut
from service.protocols import http
from service.protocols.departure import unless_gone
from service.protocols.edge import answer_unread, read_body
from service.protocols.limits import WireLimits
from service.protocols.oip import compression, routes
from service.protocols.oip.actions import Actions
from service.protocols.oip.events import EventStream
from service.protocols.oip.reply import JSON, Reply, raw_headers, refusal

if TYPE_CHECKING:
    from service.gateway import Gateway

IN_THREAD_BYTES = 64 * 1024
"""From here on packing and unpacking is not made on the event loop."""
_LONG = frozenset({"generate"})
"""Actions that may take seconds: they end when the caller leaves."""

_log = logging.getLogger(__name__)


def create_app(gateway: Gateway, limits: WireLimits) -> ASGIApp:
    """Return the app of `/v2`; every answer of it, errors included, is in this protocol's form."""
    return _App(Actions(gateway), limits)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A request whose body is here, as it was sent."""

    route: routes.Route
    headers: http.Headers
    body: bytes
    encoding: str | None
    call: Call


class _App:
    def __init__(self, actions: Actions, limits: WireLimits) -> None:
        self._actions = actions
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        request_id = http.request_id(headers)
        try:
            arrived = await self._arrived(scope, receive, headers, request_id)
        except ServiceError as error:
            reply = refusal(error)
            await answer_unread(receive, send, (reply.status, raw_headers(reply, request_id), reply.body))
            return
        try:
            answer = await self._answer(arrived, scope["method"], receive)
            if isinstance(answer, EventStream):
                await answer(scope, receive, send)
                return
        except ServiceError as error:
            answer = refusal(error)
        except Exception:  # noqa: BLE001  # it is logged here, and becomes an answer
            _log.exception("request %s failed", request_id)
            answer = refusal(Internal("internal error"))
        await _send(send, answer, headers, request_id)

    async def _arrived(
        self, scope: Scope, receive: Receive, headers: http.Headers, request_id: str
    ) -> _Arrived:
        call = http.call(headers, self._limits, request_id, time.monotonic(), scope.get("client"))
        route = routes.find(scope["path"])
        if route is None:
            raise NotFound("no such route", field="path")
        encoding = compression.encoding_of(headers.get(b"content-encoding"))
        http.check_body_headers({**headers, b"content-encoding": b"identity"}, self._limits)
        body = await _read(receive, call, self._limits) if scope["method"] == "POST" else b""
        return _Arrived(route, headers, body, encoding, call)

    async def _answer(self, arrived: _Arrived, method: str, receive: Receive) -> Reply | EventStream:
        route, body = arrived.route, arrived.body
        if method not in routes.METHODS[route.action]:
            return _not_allowed(route)
        if arrived.encoding is not None:
            body = await _unpacked(body, arrived.encoding, self._limits.max_body_bytes)
        answering = self._actions.answer(route, arrived.headers, body, arrived.call)
        return await (unless_gone(receive, answering) if route.action in _LONG else answering)


async def _read(receive: Receive, call: Call, limits: WireLimits) -> bytes:
    try:
        async with asyncio.timeout_at(call.deadline_at_s):
            return await read_body(receive, limits.max_body_bytes)
    except TimeoutError as error:
        raise TimedOut("the body had not arrived when the deadline passed", field="body") from error


async def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    if len(body) < IN_THREAD_BYTES:
        return compression.unpack(body, encoding, max_bytes)
    return await asyncio.to_thread(compression.unpack, body, encoding, max_bytes)


def _not_allowed(route: routes.Route) -> Reply:
    allowed = ", ".join(sorted(routes.METHODS[route.action])).encode("ascii")
    return Reply(b'{"error":"Method Not Allowed"}', 405, JSON, ((b"allow", allowed),))


async def _send(send: Send, reply: Reply, headers: http.Headers, request_id: str) -> None:
    encoding = None
    if len(reply.body) >= compression.WORTHWHILE_BYTES:
        encoding = compression.accepted(headers.get(b"accept-encoding"))
    if encoding is not None:
        body = (
            compression.pack(reply.body, encoding)
            if len(reply.body) < IN_THREAD_BYTES
            else await asyncio.to_thread(compression.pack, reply.body, encoding)
        )
        added = ((b"content-encoding", encoding.encode("ascii")), (b"vary", b"accept-encoding"))
        reply = Reply(body, reply.status, reply.media_type, (*reply.headers, *added))
    await send(
        {"type": "http.response.start", "status": reply.status, "headers": raw_headers(reply, request_id)}
    )
    await send({"type": "http.response.body", "body": reply.body})

"""The protocol's ASGI app for everything below `/v2`: bounds body and time, finds the action, sends its answer.

Knows HTTP. What an action means is in `actions`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from service.domain import Call
from service.errors import Internal, NotFound, ServiceError, TimedOut
from service.protocols import compression, http
from service.protocols.departure import unless_gone
from service.protocols.edge import answer_unread, read_body
from service.protocols.limits import WireLimits
from service.protocols.oip import routes
from service.protocols.oip.actions import Actions
from service.protocols.oip.events import EventStream
from service.protocols.oip.reply import JSON, Reply, raw_headers, refusal
from service.protocols.oip.shared_memory import SharedMemory

if TYPE_CHECKING:
    from service.gateway import Gateway

_PATIENT = frozenset({"load", "unload"})
"""Actions that have the latest deadline if their caller names none."""

_log = logging.getLogger(__name__)


def create_app(gateway: Gateway, limits: WireLimits, shared_memory: SharedMemory | None = None) -> ASGIApp:
    """Return the app of `/v2`; every answer of it, errors included, is in this protocol's form."""
    return _App(Actions(gateway, shared_memory), limits)


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
            reply = _unsupported(error) if isinstance(error, http.UnknownEncoding) else refusal(error)
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
        route = routes.find(scope["path"])
        if route is None:
            raise NotFound("no such route", field="path")
        limits = self._limits.patient() if route.action in _PATIENT else self._limits
        call = http.call(headers, limits, request_id, time.monotonic(), scope.get("client"))
        encoding = compression.encoding_of(headers.get(b"content-encoding"))
        http.check_body_headers(headers, self._limits)
        body = await _read(receive, call, self._limits) if scope["method"] == "POST" else b""
        return _Arrived(route, headers, body, encoding, call)

    async def _answer(self, arrived: _Arrived, method: str, receive: Receive) -> Reply | EventStream:
        route, body = arrived.route, arrived.body
        if method not in routes.METHODS[route.action]:
            return _not_allowed(route)
        if arrived.encoding is not None:
            body = await compression.unpacked(body, arrived.encoding, self._limits.max_body_bytes)
        while_here = partial(unless_gone, receive)
        return await self._actions.answer(route, arrived.headers, body, arrived.call, while_here)


async def _read(receive: Receive, call: Call, limits: WireLimits) -> bytes:
    try:
        async with asyncio.timeout_at(call.deadline_at_s):
            return await read_body(receive, limits.max_body_bytes)
    except TimeoutError as error:
        raise TimedOut("the body had not arrived when the deadline passed", field="body") from error


def _not_allowed(route: routes.Route) -> Reply:
    allowed = ", ".join(sorted(routes.METHODS[route.action])).encode("ascii")
    return Reply(b'{"error":"Method Not Allowed"}', 405, JSON, ((b"allow", allowed),))


def _unsupported(error: http.UnknownEncoding) -> Reply:
    """Return the answer to a body in another encoding (RFC 9110, 15.5.16): which ones would be understood."""
    return Reply(refusal(error).body, 415, JSON, ((b"accept-encoding", b"gzip, deflate"),))


async def _send(send: Send, reply: Reply, headers: http.Headers, request_id: str) -> None:
    body, added = await compression.packed(reply.body, headers.get(b"accept-encoding"))
    reply = Reply(body, reply.status, reply.media_type, (*reply.headers, *added))
    await send(
        {"type": "http.response.start", "status": reply.status, "headers": raw_headers(reply, request_id)}
    )
    await send({"type": "http.response.body", "body": reply.body})

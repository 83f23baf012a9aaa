"""Server-sent events, whatever they say.

Knows ASGI and the form of an event; knows nothing of how the events are made. The stream is closed, and its slots
free, at once when the caller leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.domain import Call
from service.errors import Cancelled, ServiceError
from service.protocols.departure import unless_gone

DONE = b"data: [DONE]\n\n"
GRACE_S = 1.0
"""How long after the deadline a caller that does not read is waited for."""


class EventStream(Response):
    """Each of `events` as it comes, then `end`; an error is an event made by `failed`, and the last one.

    An error before the first event is raised: it can still be an answer with a status.
    """

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        call: Call,
        failed: Callable[[ServiceError], bytes],
        end: bytes = DONE,
    ) -> None:
        super().__init__(media_type="text/event-stream")
        self.headers["cache-control"] = "no-cache"
        self.headers["x-accel-buffering"] = "no"
        del self.headers["content-length"]
        self._events = events
        self._call = call
        self._failed = failed
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send everything; return early if the caller leaves, or does not read until past the deadline."""
        try:
            async with asyncio.timeout_at(self._call.deadline_at_s + GRACE_S):
                await unless_gone(receive, self._send_all(send))
        except (Cancelled, TimeoutError):
            return

    async def _send_all(self, send: Send) -> None:
        started = False
        async with aclosing(self._events) as events:
            try:
                async for event in events:
                    if not started:
                        await send(self._start())
                        started = True
                    await send(_piece(event))
            except ServiceError as error:
                if not started:
                    raise
                await send(_last(self._failed(error)))
                return
        if not started:
            await send(self._start())
        await send(_last(self._end))

    def _start(self) -> dict[str, Any]:
        return {"type": "http.response.start", "status": 200, "headers": self.raw_headers}


def event(document: bytes) -> bytes:
    """Return the event whose data is one line of JSON."""
    return b"data: " + document + b"\n\n"


def _piece(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _last(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": False}

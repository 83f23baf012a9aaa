"""Generated text as server-sent events.

Knows chunks and ASGI; knows nothing of how text is made. The stream is closed, and its slot free, at once when
the caller leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.domain import Call, TextChunk
from service.errors import Cancelled, ServiceError
from service.protocols import http
from service.protocols.departure import unless_gone
from service.protocols.tasks.replies import ChunkReply

DONE = b"data: [DONE]\n\n"
GRACE_S = 1.0
"""How long after the deadline a caller that does not read is waited for."""


class EventStream(Response):
    """`data: {...}` for each chunk, then `data: [DONE]`; an error is an event, and the last one.

    An error before the first chunk is raised: it can still be an answer with a status.
    """

    def __init__(self, chunks: AsyncGenerator[TextChunk, None], call: Call) -> None:
        super().__init__(media_type="text/event-stream")
        self.headers["cache-control"] = "no-cache"
        self.headers["x-accel-buffering"] = "no"
        del self.headers["content-length"]
        self._chunks = chunks
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        """Send everything; return early if the caller leaves, or does not read until past the deadline."""
        try:
            async with asyncio.timeout_at(self._call.deadline_at_s + GRACE_S):
                await unless_gone(receive, self._send_all(send))
        except (Cancelled, TimeoutError):
            return

    async def _send_all(self, send: Send) -> None:
        started = False
        async with aclosing(self._chunks) as chunks:
            try:
                async for chunk in chunks:
                    if not started:
                        await send(self._start())
                        started = True
                    await send(_piece(event(ChunkReply.of(chunk).model_dump_json(exclude_none=True))))
            except ServiceError as error:
                if not started:
                    raise
                await send(_last(error_event(error, self._call.request_id)))
                return
        if not started:
            await send(self._start())
        await send(_last(DONE))

    def _start(self) -> dict[str, Any]:
        return {"type": "http.response.start", "status": 200, "headers": self.raw_headers}


def event(text: str) -> bytes:
    """Return the event whose data is one line of JSON."""
    return f"data: {text}\n\n".encode()


def error_event(error: ServiceError, request_id: str) -> bytes:
    """Return the event of an error: its data is the body of an error answer."""
    return b"data: " + http.printable(http.error_document(error, request_id)) + b"\n\n"


def _piece(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _last(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": False}

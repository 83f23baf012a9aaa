"""Generated text as server-sent events in this protocol's form.

Knows chunks and ASGI. Knows nothing of how text is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Send

from service.domain import Call, TextChunk
from service.errors import Cancelled, ServiceError
from service.protocols import http
from service.protocols.departure import unless_gone
from service.protocols.oip.reply import error_document

GRACE_S = 1.0
"""How long after the deadline a caller that does not read is waited for."""
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Sends an event for each chunk; an error is an event, and the last one.

    An error before the first chunk is raised: it can still be an answer with a status.
    """

    def __init__(
        self, chunks: AsyncGenerator[TextChunk, None], write: Callable[[TextChunk], object], call: Call
    ) -> None:
        self._chunks = chunks
        self._write = write
        self._call = call

    async def send_to(self, receive: Receive, send: Send) -> None:
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
                    await send(_piece(_event(self._write(chunk)), more=True))
            except ServiceError as error:
                if not started:
                    raise
                await send(_piece(_event(error_document(error)), more=False))
                return
        await send(_piece(b"", more=False))

    def _start(self) -> dict[str, Any]:
        headers = [*_HEADERS, (b"x-request-id", self._call.request_id.encode("ascii"))]
        return {"type": "http.response.start", "status": 200, "headers": headers}


def _event(document: object) -> bytes:
    return b"data: " + http.printable(document) + b"\n\n"


def _piece(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}

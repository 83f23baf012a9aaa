"""Generated text as server-sent events in this protocol's form.

Knows chunks and the documents that they become. Knows nothing of how text is made or sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from service.domain import Call, TextChunk
from service.protocols import http, streams
from service.protocols.oip.reply import error_document


class EventStream(streams.EventStream):
    """An event for each chunk, and nothing after the last; an error is an event, and the last one."""

    def __init__(
        self, chunks: AsyncGenerator[TextChunk, None], write: Callable[[TextChunk], object], call: Call
    ) -> None:
        super().__init__(_events(chunks, write), call, lambda error: _event(error_document(error)), end=b"")
        self.headers["x-request-id"] = call.request_id


async def _events(
    chunks: AsyncGenerator[TextChunk, None], write: Callable[[TextChunk], object]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            yield _event(write(chunk))


def _event(document: object) -> bytes:
    return streams.event(http.printable(document))

"""Generated text as server-sent events of the task API.

Knows chunks and the documents that they become; knows nothing of how text is made or sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.domain import Call, TextChunk
from service.errors import ServiceError
from service.protocols import http, streams
from service.protocols.tasks.replies import ChunkReply


class EventStream(streams.EventStream):
    """`data: {...}` for each chunk, then `data: [DONE]`; an error is an event, and the last one."""

    def __init__(self, chunks: AsyncGenerator[TextChunk, None], call: Call) -> None:
        super().__init__(_events(chunks), call, lambda error: error_event(error, call.request_id))


async def _events(chunks: AsyncGenerator[TextChunk, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            yield streams.event(ChunkReply.of(chunk).model_dump_json(exclude_none=True).encode())


def error_event(error: ServiceError, request_id: str) -> bytes:
    """Return the event of an error: its data is the body of an error answer."""
    return streams.event(http.printable(http.error_document(error, request_id)))

"""Keep HTTP/1.1 connections busy: each sends its next request when its answer has come.

A closed loop on purpose-built connections, because a full HTTP client costs more than the server it measures.
Knows bytes and time; knows nothing of models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import httptools


class AnswerError(Exception):
    """The server answered with something else than 200."""


@dataclass(slots=True)
class Load:
    """What a run of load found: when it started and ended, and how long each request took."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return len(self.latencies_s)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return the latency in milliseconds that `share` of the requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection(asyncio.Protocol):
    """One keep-alive connection in a closed loop until `until_s` on the clock of `time.perf_counter`."""

    def __init__(self, requests: Sequence[bytes], until_s: float, load: Load) -> None:
        self._requests = requests
        self._until_s = until_s
        self._load = load
        self._next = 0
        self._sent_s = 0.0
        self._body = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; it calls the methods below."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the loop, with an error if answers are missing."""
        if not self.done.done():
            self.done.set_exception(exc or AnswerError("the server closed the connection"))

    def on_body(self, data: bytes) -> None:
        """Keep the body for an error message."""
        self._body += data

    def on_message_complete(self) -> None:
        """Count the answer and send the next request, or stop."""
        if self.done.done():
            return
        if self._parser.get_status_code() != 200:
            status, body = self._parser.get_status_code(), self._body[:300].decode(errors="replace")
            self.done.set_exception(AnswerError(f"status {status}: {body}"))
            self._transport.close()
            return
        now_s = time.perf_counter()
        self._load.latencies_s.append(now_s - self._sent_s)
        if now_s < self._until_s:
            self._send()
        else:
            self.done.set_result(None)
            self._transport.close()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body.clear()
        request = self._requests[self._next % len(self._requests)]
        self._next += 1
        self._sent_s = time.perf_counter()
        self._transport.write(request)


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a keep-alive POST of JSON, with `headers` beside the usual."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"{head}{more}content-length: {len(body)}\r\n\r\n".encode() + body


async def keep_busy(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> Load:
    """Load 127.0.0.1:`port` with `concurrency` connections for `seconds`; raises AnswerError."""
    loop = asyncio.get_running_loop()
    load = Load()
    started_s = time.perf_counter()
    connections = []
    for number in range(concurrency):
        rotated = [*requests[number % len(requests) :], *requests[: number % len(requests)]]
        opened = partial(Connection, rotated, started_s + seconds, load)
        _, connection = await loop.create_connection(opened, "127.0.0.1", port)
        connections.append(connection.done)
    await asyncio.gather(*connections)
    load.seconds = time.perf_counter() - started_s
    return load

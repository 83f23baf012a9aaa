"""Ask over HTTP/1.1 with keep-alive, on gevent's sockets.

Knows paths, bodies and server-sent events; knows nothing of what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPSocketPoolResponse

from loadtests.traffic.questions import Message

_DATA = b"data:"
_MESSAGE_LENGTH = 160


class StatusError(Exception):
    """An answer with another status than 200; the text is the same for equal refusals."""


class RestClient:
    """One user's connections: as many as it has requests open."""

    def __init__(self, host: str, timeout_s: float, connections: int) -> None:
        self._client = HTTPClient.from_url(
            host, connection_timeout=timeout_s, network_timeout=timeout_s, concurrency=connections
        )

    def whole(self, message: Message) -> bytes:
        """Return the body of the answer; raises StatusError, or OSError and its kin if there is none."""
        return bytes(self._open(message).read())

    def pieces(self, message: Message) -> Iterator[bytes]:
        """Yield the data of each event; raises as `whole`."""
        with self._open(message) as response:
            while line := response.readline(b"\n"):
                if line.startswith(_DATA):
                    yield line.removeprefix(_DATA).strip()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self, message: Message) -> HTTPSocketPoolResponse:
        headers = {"content-type": "application/json", **message.headers}
        response = self._client.request("POST", message.address, message.body, headers)
        if response.status_code != 200:
            raise StatusError(f"HTTP {response.status_code}: {_told(bytes(response.read()))}")
        return response


def _told(body: bytes) -> str:
    """Return the message of an error's body, in whichever wire's words, without what differs each time."""
    try:
        found = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError):
        return body[:_MESSAGE_LENGTH].decode(errors="replace")
    return str(found.get("message") if isinstance(found, dict) else found)[:_MESSAGE_LENGTH]

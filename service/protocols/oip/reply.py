"""An answer over REST, before it is sent: status, body and headers.

Pure. Knows how errors of this protocol look; knows no route.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.domain import Timing
from service.errors import ServiceError
from service.protocols import http

HEADER_LENGTH = b"inference-header-content-length"
JSON = b"application/json"
BINARY = b"application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `headers` are those beside type, length and request id."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def document(value: object, status: int = 200) -> Reply:
    """Return plain values as JSON."""
    return Reply(http.printable(value), status)


def inferred(body: bytes, header_bytes: int | None, timing: Timing) -> Reply:
    """Return the answer of an inference; with `header_bytes`, binary tensors are behind so much JSON."""
    headers = tuple(http.timing_headers(timing))
    if header_bytes is None:
        return Reply(body, headers=headers)
    return Reply(body, 200, BINARY, (*headers, (HEADER_LENGTH, b"%d" % header_bytes)))


def error_document(error: ServiceError) -> dict[str, str]:
    """Return the body of every error."""
    where = f" [{error.field}]" if error.field is not None and error.field not in error.message else ""
    return {"error": f"{error.message}{where}"}


def refusal(error: ServiceError) -> Reply:
    """Return the answer to a failed request."""
    _, headers, _ = http.error_answer(error, "")
    kept = tuple(entry for entry in headers if entry[0] in {b"retry-after", b"www-authenticate"})
    return Reply(http.printable(error_document(error)), http.status_of(error), JSON, kept)


def raw_headers(reply: Reply, request_id: str) -> http.RawHeaders:
    """Return all headers of an answer."""
    return [
        (b"content-type", reply.media_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request_id.encode("ascii")),
        *reply.headers,
    ]

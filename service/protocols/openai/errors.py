"""How OpenAI's clients are told of a failure: `{"error": {"message", "type", "param", "code"}}`.

Pure functions from our errors to documents and statuses; knows no route.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from service.errors import Code, ServiceError
from service.protocols import http, streams

_REQUEST = "invalid_request_error"
_SERVER = "server_error"

STATUS: Mapping[Code, int] = {**http.HTTP_STATUS, Code.UNSUPPORTED: 400}
"""As everywhere, but what a model cannot do is the request's fault on this wire."""

KINDS: Mapping[Code, tuple[str, str | None]] = {
    Code.INVALID: (_REQUEST, None),
    Code.UNAUTHENTICATED: ("authentication_error", "invalid_api_key"),
    Code.FORBIDDEN: ("permission_error", "permission_denied"),
    Code.NOT_FOUND: (_REQUEST, "not_found"),
    Code.TOO_LARGE: (_REQUEST, "request_too_large"),
    Code.OVERLOADED: ("rate_limit_error", "rate_limit_exceeded"),
    Code.CANCELLED: (_REQUEST, "cancelled"),
    Code.INTERNAL: (_SERVER, "internal_error"),
    Code.UNSUPPORTED: (_REQUEST, "unsupported"),
    Code.UNAVAILABLE: (_SERVER, "service_unavailable"),
    Code.TIMED_OUT: (_SERVER, "timeout"),
}
"""Type and code of each class of failure."""


def error_document(error: ServiceError) -> dict[str, dict[str, str | None]]:
    """Return the body of an error answer; a model that is not there has the code `model_not_found`."""
    kind, code = KINDS[error.code]
    if error.code is Code.NOT_FOUND and error.field in {"model", "version", "label"}:
        code = "model_not_found"
    return {"error": {"message": error.message, "type": kind, "param": error.field, "code": code}}


def error_answer(error: ServiceError, _request_id: str) -> tuple[int, http.RawHeaders, bytes]:
    """Return status, headers (without the request id) and body of an error answer."""
    body = http.printable(error_document(error))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))))
    return http.status_of(error, STATUS), headers, body


def error_event(error: ServiceError) -> bytes:
    """Return the event that reports a failure in the middle of a stream: the SDK raises it as an APIError."""
    return streams.event(http.printable(error_document(error)))

"""From a router's own refusals (no such route, not that method) to our error answer.

Knows Starlette's exceptions and nothing of routes.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException

from service.errors import Internal, Invalid, NotFound, ServiceError
from service.protocols import http


def error_of_http(error: HTTPException, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body; a 405 keeps its status and its `allow` header."""
    _, headers, body = http.error_answer(_service_error(error), request_id)
    texts = {name.decode(): value.decode() for name, value in headers}
    return error.status_code, {**texts, **(error.headers or {})}, body


def _service_error(error: HTTPException) -> ServiceError:
    if error.status_code == 404:
        return NotFound("no such route", field="path")
    if error.status_code == 405:
        return Invalid("this route does not answer that method", field="method")
    if error.status_code < 500:
        return Invalid(str(error.detail))
    return Internal("internal error")

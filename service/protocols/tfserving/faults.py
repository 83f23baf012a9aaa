"""Errors in TensorFlow Serving's words: the texts that its clients look for, and its error document.

Pure. Knows what the gateway raises; knows neither HTTP statuses nor gRPC's.
"""

from __future__ import annotations

from service.domain import ModelRef
from service.errors import Code, Invalid, NotFound, ServiceError
from service.protocols import http

QUOTED_CHARACTERS = 256


def quoted(text: str) -> str:
    """Return what a caller wrote, cut, so that what is said of it stays readable."""
    return text if len(text) <= QUOTED_CHARACTERS else text[: QUOTED_CHARACTERS - 3] + "..."


def told(error: ServiceError, ref: ModelRef) -> ServiceError:
    """Return `error` as TensorFlow Serving tells that there is no such model, version or label."""
    if error.code is not Code.NOT_FOUND:
        return error
    name = quoted(ref.name or "")
    if error.field == "label":
        return Invalid(f"Unrecognized servable version label: {quoted(ref.label or '')}", field="label")
    if error.field in {"model", "version"}:
        which = f"Latest({name})" if ref.version is None else f"Specific({name}, {ref.version})"
        return NotFound(f"Servable not found for request: {which}", field=error.field)
    return error


def error_answer(error: ServiceError, request_id: str) -> tuple[int, http.RawHeaders, bytes]:
    """Return status, headers (without the request id) and body of an error answer."""
    status, headers, _ = http.error_answer(error, request_id)
    body = http.printable({"error": error.message})
    kept = [entry for entry in headers if entry[0] != b"content-length"]
    return status, [*kept, (b"content-length", b"%d" % len(body))], body

"""What every HTTP protocol shares: the statuses, the error document, and what the headers say of a call.

Pure functions from values to values; knows no route, no task and no server.
"""

from __future__ import annotations

import itertools
import math
import re
import secrets
from collections.abc import Mapping

import orjson

from service.domain import Call, Timing
from service.errors import Code, Invalid, ServiceError, TimedOut, TooLarge
from service.protocols.limits import WireLimits

HTTP_STATUS: Mapping[Code, int] = {
    Code.INVALID: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.TOO_LARGE: 413,
    Code.OVERLOADED: 429,
    Code.CANCELLED: 499,
    Code.INTERNAL: 500,
    Code.UNSUPPORTED: 501,
    Code.UNAVAILABLE: 503,
    Code.TIMED_OUT: 504,
}

Headers = Mapping[bytes, bytes]
RawHeaders = list[tuple[bytes, bytes]]

MAX_CLIENT_CHARACTERS = 128
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_MILLISECONDS = re.compile(rb"[0-9]{1,12}")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


def new_request_id() -> str:
    """Return an id that no other request of this process has, nor likely one of another process."""
    return f"{_PROCESS}-{next(_numbers):x}"


def request_id(headers: Headers) -> str:
    """Return the caller's `x-request-id` if it is fit for headers and logs, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return new_request_id()


def timeout_s(headers: Headers, limits: WireLimits) -> float:
    """Return how long the caller waits, from `x-request-timeout-ms`.

    Raises Invalid if it is not a whole number of milliseconds, TimedOut if it is 0.
    """
    given = headers.get(b"x-request-timeout-ms")
    if given is None:
        return limits.default_timeout_s
    if not _MILLISECONDS.fullmatch(given):
        raise Invalid("expected a positive whole number of milliseconds", field="x-request-timeout-ms")
    milliseconds = int(given)
    if milliseconds == 0:
        raise TimedOut("the deadline had passed when the request came", field="x-request-timeout-ms")
    return min(milliseconds / 1000, limits.max_timeout_s)


class UnknownEncoding(Invalid):
    """The body is packed in a way that is not understood: 415 on every wire."""


def status_of(error: ServiceError, statuses: Mapping[Code, int] = HTTP_STATUS) -> int:
    """Return the status of an error, by a wire's own table."""
    return 415 if isinstance(error, UnknownEncoding) else statuses[error.code]


def check_body_headers(headers: Headers, limits: WireLimits) -> None:
    """Refuse a body by its `content-length` alone; raises TooLarge, and Invalid if it is no number."""
    length = headers.get(b"content-length")
    if length is not None:
        if not _DIGITS.fullmatch(length):
            raise Invalid("expected a number of bytes", field="content-length")
        if int(length) > limits.max_body_bytes:
            raise too_large(limits.max_body_bytes)


def check_json_type(headers: Headers) -> None:
    """Raise Invalid if the body says that it is anything but JSON; a body that says nothing is read as JSON."""
    media_type = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
    if media_type != b"application/json" and not media_type.endswith(b"+json"):
        raise Invalid("expected JSON, with the header content-type: application/json", field="content-type")


def call(
    headers: Headers,
    limits: WireLimits,
    request_id: str,
    now_s: float,
    peer: tuple[str, int] | None = None,
) -> Call:
    """Return what surrounds the request from `peer`; raises as `timeout_s`."""
    named = headers.get(b"x-client-id")
    return Call(
        request_id=request_id,
        protocol="rest",
        deadline_at_s=now_s + timeout_s(headers, limits),
        credentials=headers.get(b"authorization", b"").decode("latin-1"),
        client=peer[0] if named is None and peer else client_named(named),
        variant=headers.get(b"x-sluice-variant", b"").decode("latin-1"),
    )


def client_named(name: bytes | str | None) -> str:
    """Return whom `x-client-id` names, for a proxy that knows its callers; a long name is cut."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name or ""
    return text[:MAX_CLIENT_CHARACTERS]


def too_large(max_bytes: int) -> TooLarge:
    """Return the error for a body beyond `max_bytes`."""
    return TooLarge(f"the body is larger than {max_bytes} bytes", field="body")


def error_document(error: ServiceError, request_id: str) -> dict[str, dict[str, str]]:
    """Return the body of every error answer; `field` is there if the error has one."""
    document = {"code": error.code.value, "message": error.message, "request_id": request_id}
    if error.field is not None:
        document["field"] = error.field
    return {"error": document}


def error_answer(error: ServiceError, request_id: str) -> tuple[int, RawHeaders, bytes]:
    """Return status, headers (without the request id) and body of an error answer."""
    body = printable(error_document(error, request_id))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))))
    if error.code is Code.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    return status_of(error), headers, body


def printable(document: object) -> bytes:
    """Return `document` as JSON; text that is not Unicode (lone surrogates) is escaped first."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return orjson.dumps(_escaped(document))


def _escaped(value: object) -> object:
    if isinstance(value, dict):
        return {str(_escaped(key)): _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def timing_headers(timing: Timing) -> RawHeaders:
    """Return how the answer came about: microseconds in the queue, rows of its batch, why it was dispatched."""
    return [
        (b"x-sluice-queue-us", b"%d" % (timing.queue_s * 1e6)),
        (b"x-sluice-batch-rows", b"%d" % timing.batch_rows),
        (b"x-sluice-reason", timing.reason.encode("ascii")),
    ]

"""Why a call failed, in words that every protocol can translate.

Knows nothing of HTTP or gRPC: each protocol family has one table from `Code` to its status.

ServiceError
├── Invalid            the request is wrong; names the field
├── Unauthenticated    no or a wrong key
├── Forbidden          this key may not do that
├── NotFound           no such model, version, label or signature
├── TooLarge           beyond a stated size limit
├── Overloaded         every place is taken; come back later
├── Cancelled          the caller has gone
├── Unsupported        understood, but this model or build cannot do it
├── Unavailable        loading or draining; come back later
├── TimedOut           the deadline has passed
└── Internal           our fault; the cause is in the log, not in the message
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

MESSAGE_CHARACTERS = 1024
FIELD_CHARACTERS = 256


class Code(Enum):
    """The classes of failure."""

    INVALID = "INVALID"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    TOO_LARGE = "TOO_LARGE"
    OVERLOADED = "OVERLOADED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"
    UNSUPPORTED = "UNSUPPORTED"
    UNAVAILABLE = "UNAVAILABLE"
    TIMED_OUT = "TIMED_OUT"


class ServiceError(Exception):
    """Root of every error raised on purpose; its message is for the caller.

    `field` is the path of the offending part of the request (`inputs.image`, `top_k`), where there is one.
    `retry_after_s` says when to come back, for errors that pass.
    """

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: float | None = None) -> None:
        # A caller's own words may be in both: what comes back is bounded, however long they were.
        self.message = _cut(message, MESSAGE_CHARACTERS)
        self.field = None if field is None else _cut(field, FIELD_CHARACTERS)
        super().__init__(self.message)
        self.retry_after_s = retry_after_s


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 3] + "..."


class Invalid(ServiceError):
    """The request is wrong and will be wrong again."""

    code = Code.INVALID


class Unauthenticated(ServiceError):
    """A key is needed, and none or an unknown one came."""

    code = Code.UNAUTHENTICATED


class Forbidden(ServiceError):
    """The key is known and may not do this."""

    code = Code.FORBIDDEN


class NotFound(ServiceError):
    """No such model, version, label, signature or route."""

    code = Code.NOT_FOUND


class TooLarge(ServiceError):
    """Beyond a stated limit of size."""

    code = Code.TOO_LARGE


class Overloaded(ServiceError):
    """Every place is taken; `retry_after_s` says when to come back."""

    code = Code.OVERLOADED


class Cancelled(ServiceError):
    """The caller has gone before the answer."""

    code = Code.CANCELLED


class Internal(ServiceError):
    """Our fault. The message says no more than that; the log has the cause."""

    code = Code.INTERNAL


class Unsupported(ServiceError):
    """Understood, but this model or this build cannot do it."""

    code = Code.UNSUPPORTED


class Unavailable(ServiceError):
    """Loading or draining; `retry_after_s` says when to come back."""

    code = Code.UNAVAILABLE


class TimedOut(ServiceError):
    """The deadline passed before the answer was ready."""

    code = Code.TIMED_OUT

"""One format for every log line, ours and the libraries', on standard error.

Knows levels and renderers. Never sees a payload: events carry names, numbers, request ids and reasons.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.config import Log
from service.observability import tracing

_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "grpc")
"""Libraries whose information is ours to give: only their warnings are shown."""
_SILENT = (
    "adlfs",
    "aiobotocore",
    "aiohttp",
    "azure",
    "botocore",
    "fsspec",
    "gcsfs",
    "google",
    "msal",
    "oauthlib",
    "requests_oauthlib",
    "s3fs",
    "urllib3",
)
"""Libraries that ask model stores: what they write may repeat what they ask with, keys and signatures included. What goes
wrong there is told by who asked, in words of ours."""


def configure(settings: Log, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's lines through one renderer to `stream` (standard error)."""
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _trace_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if settings.level == "debug" else [_without_callers_words]),
                *_renderers(settings, colors=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger: `log.warning("version_failed", model="a", version=3, reason="…")`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _trace_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add `trace_id` and `span_id` of the request that is being answered, if it has them."""
    return {**tracing.current().ids, **event}


def _renderers(settings: Log, *, colors: bool) -> list[Processor]:
    if settings.format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [_one_line, _console(colors=colors)]


def _console(*, colors: bool) -> Processor:
    # Plain: the default shows local variables, and with them what callers sent.
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _without_callers_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leave out which field was wrong: its name may come from a body (a feature, an input). Debugging shows it."""
    event.pop("field", None)
    return event


def _one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape control characters: a name from outside must not look like a line of ours."""
    return {
        key: value.encode("unicode_escape").decode("ascii")
        if isinstance(value, str) and not value.isprintable() and key != "exc_info"
        else value
        for key, value in event.items()
    }

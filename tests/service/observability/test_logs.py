"""What a log line looks like."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service.config import Log
from service.observability import logs, tracing
from service.observability.tracing import Arrival
from tests.support.traces import TRACE_ID, TRACEPARENT, Memory


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(settings: Log) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(settings, stream)
    return stream


def as_json(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_has_one_object_a_line_with_time_level_and_where_it_came_from() -> None:
    stream = written(Log(format="json"))
    logs.get("service.gateway").warning("refused", model="a", version=3)
    (line,) = as_json(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "refused",
        "level": "warning",
        "logger": "service.gateway",
        "model": "a",
        "version": 3,
    }


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_what_a_caller_called_a_field_is_written_only_for_debugging(level: Any, shown: bool) -> None:
    stream = written(Log(format="json", level=level))
    logs.get("service.gateway").info("refused", field="rows[0].blood pressure")
    assert ("blood pressure" in stream.getvalue()) == shown


def test_libraries_write_in_the_same_form() -> None:
    stream = written(Log(format="json"))
    logging.getLogger("service.protocols.edge").warning("request %s failed", "x")
    assert as_json(stream)[0]["event"] == "request x failed"


@pytest.mark.parametrize(
    "name", ["botocore.auth", "aiobotocore.credentials", "azure.core", "google.auth", "gcsfs"]
)
def test_libraries_that_hold_keys_say_nothing_even_for_debugging(name: str) -> None:
    stream = written(Log(format="json", level="debug"))
    logging.getLogger(name).critical("Authorization: AWS4-HMAC-SHA256 Credential=…")
    assert stream.getvalue() == ""


def test_libraries_tell_only_their_troubles() -> None:
    stream = written(Log(format="json", level="debug"))
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("asyncio").debug("Using selector")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [line["event"] for line in as_json(stream)] == ["Invalid HTTP request received."]


def test_below_the_level_nothing_is_written() -> None:
    stream = written(Log(format="json", level="error"))
    logs.get("x").warning("refused")
    assert stream.getvalue() == ""


def test_an_exception_is_written_with_its_cause() -> None:
    stream = written(Log(format="json"))
    error = RuntimeError("outer")
    error.__cause__ = ValueError("inner")
    logs.get("x").error("failed", exc_info=error)
    text = as_json(stream)[0]["exception"]
    assert "ValueError: inner" in text
    assert "RuntimeError: outer" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_name_from_outside_cannot_forge_a_line(form: str) -> None:
    stream = written(Log(format=form))  # type: ignore[arg-type]
    logs.get("x").warning("refused", model="a\r\n2026 [error] forged\x1b[31m")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_configuring_twice_writes_once() -> None:
    written(Log(format="json"))
    stream = written(Log(format="json"))
    logs.get("x").warning("once")
    assert len(as_json(stream)) == 1


def test_a_traceback_for_eyes_shows_no_variables() -> None:
    stream = written(Log(format="console"))
    payload = "the caller's own " + "text"
    try:
        int(payload[:10] + payload[10:3])
    except ValueError:
        logs.get("service.gateway").exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "own text" not in stream.getvalue()


def test_a_line_within_a_request_names_its_trace_and_others_do_not() -> None:
    stream = written(Log(format="json"))
    trace = Memory().tracer.start(Arrival("POST", 0.0, TRACEPARENT))
    token = tracing.enter(trace)
    logging.getLogger("service.protocols.edge").warning("inside", extra={"request_id": "r-1"})
    tracing.leave(token)
    logs.get("service.app").warning("outside")
    inside, outside = as_json(stream)
    assert (inside["request_id"], inside["trace_id"]) == ("r-1", TRACE_ID)
    assert inside["span_id"] == trace.ids["span_id"]
    assert {"trace_id", "span_id"}.isdisjoint(outside)

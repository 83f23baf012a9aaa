"""Whether traces are kept, and for how long their end is waited for."""

from __future__ import annotations

import sys
import threading

import pytest

from service.app import tracer
from service.config import ConfigError, Tracing
from service.observability.tracing import NULL_TRACER, NullTracer


def test_nothing_is_kept_unless_an_endpoint_is_named() -> None:
    assert tracer.create(Tracing()) is NULL_TRACER


def test_without_its_packages_tracing_is_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "service.observability.open_telemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(ConfigError, match=r"tracing\.endpoint is set.*install requirements/tracing\.txt"):
        tracer.create(Tracing(endpoint="http://localhost:4317"))


class Stuck(NullTracer):
    """A tracer whose collector does not answer."""

    enabled = True

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = False

    def close(self) -> None:
        self.entered = True
        self.gate.wait(timeout=10)


async def test_a_collector_that_does_not_answer_does_not_hold_up_the_end() -> None:
    stuck = Stuck()
    await tracer.close(stuck, 0.01)
    assert stuck.entered
    stuck.gate.set()


async def test_what_is_left_is_sent_before_the_end() -> None:
    ready = Stuck()
    ready.gate.set()
    await tracer.close(ready, 10)
    assert ready.entered

"""The spans that come of what was recorded: parents, links, attributes, times."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, service_attributes
from opentelemetry.trace import SpanKind, StatusCode

from service.config import Tracing
from service.domain import ModelId, Timing
from service.observability import open_telemetry, tracing
from service.observability.tracing import Arrival, Departure, Tokens, Trace, Visit, Wait
from tests.service.observability.test_stages import BATCH
from tests.support.traces import CALLER_ID, MALFORMED, TRACE_ID, TRACEPARENT, UNSAMPLED, Memory

A1 = ModelId("a", 1)
NOW_S = time.monotonic()


def arrival(traceparent: str = "", tracestate: str = "") -> Arrival:
    return Arrival("POST", NOW_S, traceparent, tracestate, {"http.request.method": "POST"})


def visit(outcome: str = "ok", **more: object) -> Visit:
    return Visit("predict", "r-1", A1, outcome, NOW_S + 0.1, NOW_S + 0.8, **more)  # type: ignore[arg-type]


LEFT = Departure(NOW_S + 1.0, "POST /v1/predict", {"http.response.status_code": 200})


def told(memory: Memory, traceparent: str = "", visits: int = 1) -> Trace:
    trace = memory.tracer.start(arrival(traceparent))
    for _ in range(visits):
        trace.visited(visit())
    trace.depart(LEFT)
    return trace


def ids(span: ReadableSpan) -> tuple[str, str]:
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_a_request_is_a_server_span_below_its_callers() -> None:
    memory = Memory()
    told(memory, TRACEPARENT)
    span = memory.one("POST /v1/predict")
    assert span.kind is SpanKind.SERVER
    assert ids(span)[0] == TRACE_ID
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER_ID
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == pytest.approx(1e9, abs=1000)


def test_its_stages_are_below_it_and_within_it() -> None:
    memory = Memory()
    told(memory)
    whole = memory.one("POST /v1/predict")
    for stage in ("decode", "encode"):
        span = memory.one(stage)
        assert span.parent is not None
        assert span.parent.span_id == ids_of(whole)
        assert span.get_span_context().trace_id == whole.get_span_context().trace_id
        assert times(whole)[0] <= times(span)[0] <= times(span)[1] <= times(whole)[1]


def ids_of(span: ReadableSpan) -> int:
    return span.get_span_context().span_id


def times(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


@pytest.mark.parametrize("traceparent", MALFORMED)
def test_a_context_that_is_malformed_is_none(traceparent: str) -> None:
    memory = Memory()
    told(memory, traceparent)
    span = memory.one("POST /v1/predict")
    assert span.parent is None
    assert ids(span)[0] != TRACE_ID


def test_what_its_caller_does_not_keep_is_not_kept() -> None:
    memory = Memory()
    trace = told(memory, UNSAMPLED)
    assert (trace.sampled, trace.exemplar) == (False, None)
    assert trace.ids["trace_id"] == TRACE_ID
    assert memory.spans == ()


def test_its_caller_need_not_be_believed() -> None:
    memory = Memory(Tracing(sample_ratio=0.0, parent_based=False))
    told(memory, TRACEPARENT)
    assert memory.spans == ()
    believing = Memory(Tracing(sample_ratio=0.0))
    told(believing, TRACEPARENT)
    assert believing.named("POST /v1/predict")


def test_a_share_of_those_without_a_callers_decision_is_kept() -> None:
    memory = Memory(Tracing(sample_ratio=0.5))
    kept = sum(told(memory).sampled for _ in range(200))
    assert 50 < kept < 150
    assert len(memory.named("POST /v1/predict")) == kept


def test_the_answer_has_the_context_of_the_gateways_own_span() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival(TRACEPARENT, "vendor=1,other=2"))
    headers = trace.headers
    assert headers["traceparent"] == f"00-{TRACE_ID}-{trace.ids['span_id']}-01"
    assert headers["tracestate"] == "vendor=1,other=2"
    assert trace.ids["span_id"] != CALLER_ID


def test_a_malformed_tracestate_does_not_cost_the_trace() -> None:
    trace = Memory().tracer.start(arrival(TRACEPARENT, "=,;;é=" * 50))
    assert trace.ids["trace_id"] == TRACE_ID
    assert "tracestate" not in trace.headers


def test_a_batch_is_linked_to_its_requests_and_they_to_it() -> None:
    memory = Memory()
    traces = [memory.tracer.start(arrival()) for _ in range(3)]
    unkept = memory.tracer.start(arrival(UNSAMPLED))
    assert not unkept.sampled
    run = replace(
        BATCH,
        started_at_s=NOW_S + 0.3,
        ended_at_s=NOW_S + 0.5,
        waits=tuple(Wait(trace, NOW_S + 0.2) for trace in traces),
    )
    memory.tracer.ran(run)
    for trace in traces:
        trace.visited(visit())
        trace.depart(LEFT)
    batch = memory.one("batch a")
    assert batch.parent is None
    assert {link.context.span_id for link in batch.links} == {int(each.ids["span_id"], 16) for each in traces}
    assert batch.attributes is not None
    assert (batch.attributes["sluice.batch.rows"], batch.attributes["sluice.batch.reason"]) == (6, "full")
    runs = memory.named("run")
    assert len(runs) == 3
    for span, queue in zip(runs, memory.named("queue"), strict=True):
        assert [link.context for link in span.links] == [batch.get_span_context()]
        assert times(queue)[1] == times(span)[0]


def test_a_batch_is_kept_although_its_ratio_would_not_keep_it() -> None:
    memory = Memory(Tracing(sample_ratio=0.0))
    trace = memory.tracer.start(arrival(TRACEPARENT))
    memory.tracer.ran(replace(BATCH, waits=(Wait(trace, BATCH.started_at_s),)))
    assert memory.named("batch a")


def test_a_batch_that_failed_is_an_error_and_so_is_its_part_in_the_request() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival())
    memory.tracer.ran(replace(BATCH, failed=True, waits=(Wait(trace, NOW_S),)))
    trace.visited(visit("INTERNAL"))
    trace.depart(replace(LEFT, failed=True))
    for name in ("batch a", "run", "POST /v1/predict"):
        assert memory.one(name).status.status_code is StatusCode.ERROR
    attributes = memory.one("POST /v1/predict").attributes
    assert attributes is not None
    assert attributes[error_attributes.ERROR_TYPE] == "INTERNAL"


def test_what_the_caller_did_wrong_is_no_error_of_the_server() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival())
    trace.depart(Departure(NOW_S + 1, None, {"error.type": "400"}, refused=True))
    assert memory.one("POST").status.status_code is StatusCode.UNSET


def test_tokens_have_the_names_of_the_conventions() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival())
    timing = Timing(queue_s=0.1, run_s=0.5, first_token_s=0.2)
    trace.visited(replace(visit(), word="generate", timing=timing, tokens=Tokens(5, 7, ("stop",))))
    trace.depart(LEFT)
    attributes = memory.one("POST /v1/predict").attributes
    assert attributes is not None
    assert attributes[gen_ai_attributes.GEN_AI_OPERATION_NAME] == "text_completion"
    assert attributes[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "a"
    assert attributes[gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS] == 5
    assert attributes[gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS] == 7
    assert attributes[gen_ai_attributes.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    order = [memory.one(name) for name in ("decode", "queue", "prefill", "tokens", "encode")]
    for before, after in pairwise(order):
        assert times(before)[1] <= times(after)[0]


def test_a_probe_that_belongs_to_nobodys_trace_is_not_kept() -> None:
    memory = Memory()
    told(memory, visits=0)
    assert memory.spans == ()
    told(memory, TRACEPARENT, visits=0)
    assert [span.name for span in memory.spans] == ["POST /v1/predict"]


def test_a_request_with_thousands_of_runs_says_how_many_are_left_out() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival())
    for _ in range(open_telemetry.MAX_STAGES):
        memory.tracer.ran(replace(BATCH, waits=(Wait(trace, BATCH.started_at_s),)))
    trace.visited(visit())
    trace.depart(LEFT)
    attributes = memory.one("POST /v1/predict").attributes
    assert attributes is not None
    assert attributes["sluice.stages_left_out"] == open_telemetry.MAX_STAGES + 2


def test_a_stream_of_thousands_of_requests_is_kept_within_bounds() -> None:
    memory = Memory()
    trace = memory.tracer.start(arrival())
    for _ in range(5 * open_telemetry.MAX_STAGES):
        trace.visited(visit())
        memory.tracer.ran(replace(BATCH, waits=(Wait(trace, BATCH.started_at_s),)))
    assert len(trace._visits) == open_telemetry.MAX_STAGES
    assert len(trace._stages) <= open_telemetry.MAX_STAGES


def test_a_malformed_tracestate_is_not_repeated_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    told_state = arrival(TRACEPARENT, "what the caller wrote!")
    Memory().tracer.start(told_state).depart(LEFT)
    assert "what the caller wrote" not in caplog.text


def test_spans_say_which_service_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    memory = Memory(Tracing(service_name="mine"))
    told(memory)
    resource = memory.one("POST /v1/predict").resource.attributes
    assert resource[service_attributes.SERVICE_NAME] == "mine"
    assert resource["deployment.environment.name"] == "test"


def test_nothing_is_kept_of_a_request_that_has_no_trace() -> None:
    trace = tracing.NULL_TRACER.start(arrival(TRACEPARENT))
    trace.visited(visit())
    trace.depart(LEFT)
    tracing.NULL_TRACER.ran(BATCH)
    tracing.NULL_TRACER.close()
    assert (trace.sampled, trace.exemplar, dict(trace.ids), dict(trace.headers)) == (False, None, {}, {})
    assert not tracing.NULL_TRACER.enabled

"""What the trace of an HTTP request is told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes
from opentelemetry.trace import StatusCode
from starlette.types import Receive, Scope, Send

from service.observability import tracing
from service.protocols.limits import WireLimits
from service.protocols.servers import create_http_app
from service.protocols.traced_http import TracedApp, arrival, departure
from tests.support.gateway import FakeGateway
from tests.support.traces import CALLER_ID, TRACE_ID, TRACEPARENT, Memory


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_a_request_with_a_context_is_a_span_below_it_and_is_told_its_own() -> None:
    memory = Memory()
    app = create_http_app(FakeGateway(), WireLimits(), tracer=memory.tracer)
    async with client(app) as http:
        answer = await http.get("/v1/models", headers={"traceparent": TRACEPARENT, "tracestate": "a=1"})
    span = memory.one("GET /v1/models")
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER_ID
    own = f"{span.get_span_context().span_id:016x}"
    assert answer.headers["traceparent"] == f"00-{TRACE_ID}-{own}-01"
    assert answer.headers["tracestate"] == "a=1"
    assert span.attributes is not None
    assert span.attributes[http_attributes.HTTP_REQUEST_METHOD] == "GET"
    assert span.attributes[http_attributes.HTTP_ROUTE] == "/v1/models"
    assert span.attributes[http_attributes.HTTP_RESPONSE_STATUS_CODE] == 200
    assert span.attributes[url_attributes.URL_PATH] == "/v1/models"


async def test_a_request_that_is_refused_before_the_door_has_a_span_without_its_payload() -> None:
    memory = Memory()
    app = create_http_app(FakeGateway(), WireLimits(), tracer=memory.tracer)
    async with client(app) as http:
        await http.post("/v1/predict?key=hunter2", content=b'{"secret": ')
    (span,) = memory.spans
    assert span.name == "POST"
    assert span.attributes is not None
    assert span.attributes[error_attributes.ERROR_TYPE] == "400"
    assert span.status.status_code is StatusCode.UNSET
    assert "secret" not in span.to_json()
    assert "hunter2" not in span.to_json()


async def test_the_current_trace_is_the_requests_and_only_while_it_is_answered() -> None:
    memory = Memory()
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(tracing.current().ids["trace_id"])
        raise RuntimeError("broken")

    traced = TracedApp(app, memory.tracer)
    async with client(traced) as http:
        with pytest.raises(RuntimeError):
            await http.get("/", headers={"traceparent": TRACEPARENT})
    assert seen == [TRACE_ID]
    assert tracing.current() is tracing.UNTRACED


async def test_without_tracing_there_is_nothing_around_the_app() -> None:
    assert not isinstance(create_http_app(FakeGateway(), WireLimits()), TracedApp)


def scope(path: str, method: str = "POST", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Scope:
    return {"type": "http", "method": method, "path": path, "headers": list(headers)}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/predict", "POST /v1/predict"),
        ("/v1/models/digits:predict", "POST /v1/models/{model}:predict"),
        ("/v1/models/digits/versions/3:predict", "POST /v1/models/{model}/versions/{version}:predict"),
        ("/v1/models/a/labels/stable:classify", "POST /v1/models/{model}/labels/{label}:classify"),
        (
            "/v2/systemsharedmemory/region/mine/register",
            "POST /v2/systemsharedmemory/region/{region}/register",
        ),
        ("/v2/models/a/versions/1/infer", "POST /v2/models/{model}/versions/{version}/infer"),
    ],
)
def test_a_span_is_named_after_its_route(path: str, name: str) -> None:
    assert departure(scope(path), 200, 1.0).name == name


def test_what_a_client_makes_up_names_no_span() -> None:
    assert departure(scope("/made/up"), 404, 1.0).name is None
    assert arrival(scope("/", "BREW"), 1.0).name == "_OTHER"
    assert len(str(arrival(scope("/" + "x" * 9999), 1.0).attributes["url.path"])) == 256


@pytest.mark.parametrize(
    ("status", "failed", "refused"), [(200, False, False), (429, False, True), (500, True, False)]
)
def test_a_failure_of_ours_is_one_and_one_of_the_callers_is_another(
    status: int, failed: bool, refused: bool
) -> None:
    left = departure(scope("/"), status, 1.0)
    assert (left.failed, left.refused) == (failed, refused)


def test_a_caller_who_left_is_a_cancellation() -> None:
    left = departure(scope("/"), None, 1.0)
    assert (left.failed, left.refused, left.attributes["error.type"]) == (False, True, "CANCELLED")


def test_two_parents_are_none_and_two_states_are_one() -> None:
    parent = (b"traceparent", TRACEPARENT.encode())
    states = ((b"tracestate", b"a=1"), (b"tracestate", b"b=2"))
    assert arrival(scope("/", headers=(parent, parent)), 1.0).traceparent == ""
    came = arrival(scope("/", headers=(parent, *states)), 1.0)
    assert (came.traceparent, came.tracestate) == (TRACEPARENT, "a=1,b=2")

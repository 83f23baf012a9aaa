"""What the trace of an rpc is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service.domain import Call
from service.errors import Internal, Overloaded
from service.observability import tracing
from service.observability.tracing import UNTRACED
from service.protocols import health, rpc
from service.protocols.limits import WireLimits
from service.protocols.servers import GrpcOffer, create_grpc_server
from service.protocols.traced_rpc import TracedRpcs, arrival, departure
from tests.support.gateway import FakeGateway
from tests.support.traces import CALLER_ID, TRACE_ID, TRACEPARENT, Memory

PARENT = (("traceparent", TRACEPARENT), ("tracestate", "a=1"))
LIMITS = WireLimits()


@asynccontextmanager
async def channel_to(server: grpc.aio.Server) -> AsyncIterator[grpc.aio.Channel]:
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(5)  # an answered call may still have to end its span


async def refused(_: bytes, __: Call) -> bytes:
    raise Overloaded("full")


async def broken(_: bytes, __: Call) -> bytes:
    raise Internal("broken")


async def echo(message: bytes, _: Call) -> bytes:
    return message + tracing.current().ids["trace_id"].encode()


async def twice(message: bytes, _: Call) -> AsyncGenerator[bytes, None]:
    yield message
    yield tracing.current().ids["trace_id"].encode()


async def every(messages: AsyncIterator[tuple[bytes, Call]]) -> AsyncGenerator[bytes, None]:
    async for message, _ in messages:
        yield message


@asynccontextmanager
async def methods(memory: Memory) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[TracedRpcs(memory.tracer)])
    unary = {"Echo": echo, "Refused": refused, "Broken": broken}
    rpc.add_service(server, rpc.RpcService("test.S", unary, {"Twice": twice}, {"Every": every}), LIMITS)
    async with channel_to(server) as channel:
        yield channel


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_an_rpc_with_a_context_is_a_span_below_it_and_is_told_its_own() -> None:
    memory = Memory()
    server = create_grpc_server(FakeGateway(), LIMITS, GrpcOffer(tracer=memory.tracer))
    async with channel_to(server) as channel:
        call = InferenceStub(channel).Predict(
            pb.PredictRequest(model=pb.ModelRef(name="fake")), metadata=PARENT
        )
        told = dict(await call.initial_metadata())
        await call.code()
    (span,) = memory.spans
    assert span.name == "sluice.v1.Inference/Predict"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER_ID
    assert told["traceparent"] == f"00-{TRACE_ID}-{span.get_span_context().span_id:016x}-01"
    assert told["tracestate"] == "a=1"


async def test_every_kind_of_method_is_traced() -> None:
    memory = Memory()
    async with methods(memory) as channel:
        assert await channel.unary_unary("/test.S/Echo")(b"x", metadata=PARENT) == b"x" + TRACE_ID.encode()
        stream = channel.unary_stream("/test.S/Twice")(b"x", metadata=PARENT)
        assert [piece async for piece in stream] == [b"x", TRACE_ID.encode()]
        duplex = channel.stream_stream("/test.S/Every")(iter([b"a", b"b"]), metadata=PARENT)
        assert [piece async for piece in duplex] == [b"a", b"b"]
    assert {span.name for span in memory.spans} == {"test.S/Echo", "test.S/Twice", "test.S/Every"}
    assert {attributes(span)["rpc.response.status_code"] for span in memory.spans} == {"OK"}
    assert tracing.current() is UNTRACED


@pytest.mark.parametrize(
    ("method", "code", "status"),
    [("Refused", "RESOURCE_EXHAUSTED", StatusCode.UNSET), ("Broken", "INTERNAL", StatusCode.ERROR)],
)
async def test_a_failure_has_the_callers_status(method: str, code: str, status: StatusCode) -> None:
    memory = Memory()
    async with methods(memory) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/test.S/{method}")(b"")
    assert caught.value.code().name == code
    (span,) = memory.spans
    assert (attributes(span)["rpc.response.status_code"], attributes(span)["error.type"]) == (code, code)
    assert span.status.status_code is status


async def test_health_is_left_alone() -> None:
    memory = Memory()
    server = grpc.aio.server(interceptors=[TracedRpcs(memory.tracer)])
    rpc.add_service(server, health.service(FakeGateway()), LIMITS)
    async with channel_to(server) as channel:
        await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", metadata=PARENT)
    assert memory.spans == ()


async def test_a_method_that_is_not_there_is_refused_as_before() -> None:
    async with methods(Memory()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test.S/Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_two_parents_are_none_and_two_states_are_one() -> None:
    assert arrival("/s/M", (PARENT[0], PARENT[0]), 1.0).traceparent == ""
    came = arrival("/s/M", (*PARENT, ("tracestate", "b=2")), 1.0)
    assert (came.name, came.traceparent, came.tracestate) == ("s/M", TRACEPARENT, "a=1,b=2")


def test_a_method_that_was_ended_by_its_callers_leaving_is_cancelled() -> None:
    assert departure(None, 1.0, ended=False).attributes["rpc.response.status_code"] == "CANCELLED"
    assert departure(None, 1.0, ended=True).attributes == {"rpc.response.status_code": "OK"}
    assert departure(14, 1.0, ended=False).failed


class _Gone:
    """A context whose caller has left."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return PARENT

    def code(self) -> None:
        return None

    async def send_initial_metadata(self, _: object) -> None:
        raise RuntimeError("the call has ended")


async def test_a_caller_who_has_left_already_is_not_worked_for() -> None:
    memory = Memory()
    details = SimpleNamespace(method="/test.S/Echo")
    plain = grpc.unary_unary_rpc_method_handler(echo)

    async def continuation(_: object) -> Any:
        return plain

    handler = await TracedRpcs(memory.tracer).intercept_service(continuation, details)
    with pytest.raises(asyncio.CancelledError):
        await handler.unary_unary(b"", _Gone())
    assert attributes(memory.spans[0])["rpc.response.status_code"] == "CANCELLED"

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from deploy.ray.rpcs import Aborted, Asked, Rpcs, add_services, with_rpcs
from pb import oip_pb2, tasks_pb2
from service.protocols.limits import WireLimits
from tests.support.gateway import FakeGateway

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
TASKS = "/sluice.v1.Inference/"


class ServeContext:
    """What Serve hands to a method of the ingress."""

    def __init__(self) -> None:
        self.code: Any = None
        self.details = ""
        self.trailing: dict[str, str] = {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return [("x-request-id", "mine")]

    def peer(self) -> str:
        return "ipv4:127.0.0.1:5"

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: list[tuple[str, str]]) -> None:
        self.trailing.update(metadata)


def rpcs(gateway: Any = None, max_body_bytes: int = 1000) -> Rpcs:
    return Rpcs(gateway or FakeGateway(), WireLimits(max_body_bytes=max_body_bytes))


async def test_a_message_reaches_the_method_of_its_whole_name() -> None:
    context = ServeContext()
    reply = await rpcs().unary(Asked(CHECK, b""), context)
    status = health_pb2.HealthCheckResponse.FromString(reply.SerializeToString()).status
    assert status == health_pb2.HealthCheckResponse.SERVING
    assert context.trailing == {"sluice-request-id": "mine"}
    assert context.code is None


async def test_a_failure_is_in_the_context_with_its_field() -> None:
    context = ServeContext()
    message = tasks_pb2.GetModelRequest(model=tasks_pb2.ModelRef(name="nothing")).SerializeToString()
    assert (await rpcs().unary(Asked(TASKS + "GetModel", message), context)).message == b""
    assert context.code is grpc.StatusCode.NOT_FOUND
    assert context.details == "no model of that name"
    assert context.trailing["sluice-error-field"] == "model"


async def test_a_message_that_is_too_large_is_not_read() -> None:
    context = ServeContext()
    await rpcs(max_body_bytes=3).unary(Asked(CHECK, b"1234"), context)
    assert context.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "at most 3 bytes, got 4" in context.details


async def test_a_stream_brings_each_piece_and_ends_with_its_failure() -> None:
    context, gateway = ServeContext(), FakeGateway()
    stream = rpcs(gateway).stream(Asked(WATCH, b""), context)
    assert (await anext(stream)).message
    gateway.draining = True
    gateway.changes.notify()
    assert (await anext(stream)).message
    with pytest.raises(Aborted):
        await anext(stream)
    assert context.code is grpc.StatusCode.UNAVAILABLE


async def test_a_stream_of_messages_is_answered_message_by_message() -> None:
    infer = oip_pb2.ModelInferRequest(model_name="nothing", id="7").SerializeToString()

    async def messages() -> Any:
        for _ in range(2):
            yield Asked("/inference.GRPCInferenceService/ModelStreamInfer", infer)

    replies = [
        oip_pb2.ModelStreamInferResponse.FromString(reply.message)
        async for reply in rpcs().duplex(messages(), ServeContext())
    ]
    assert len(replies) == 2
    assert all(reply.error_message for reply in replies)


def test_a_proxy_learns_of_every_rpc_and_the_ingress_has_a_method_for_each() -> None:
    class Server:
        def add_generic_rpc_handlers(self, handlers: Any) -> None:
            learnt.extend(handlers)

    learnt: list[Any] = []
    add_services(None, Server())  # type: ignore[arg-type]
    assert {"sluice.v1.Inference", "tensorflow.serving.PredictionService", "grpc.health.v1.Health"} <= {
        each.service_name() for each in learnt
    }
    ingress = with_rpcs(type("Ingress", (), {}))
    for name in ("Predict", "ModelInfer", "GenerateStream", "ModelStreamInfer", "Check", "Watch"):
        assert callable(getattr(ingress, name))

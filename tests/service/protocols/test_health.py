import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.gateway import FakeGateway

Status = health_pb2.HealthCheckResponse


async def check(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return (await health_pb2_grpc.HealthStub(channel).Check(request)).status


async def test_the_server_is_serving_when_it_is_ready(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    assert await check(channel, "") == Status.SERVING
    gateway.is_ready = False
    assert await check(channel, "") == Status.NOT_SERVING


async def test_a_model_is_serving_while_a_version_is_available(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    assert await check(channel, "fake") == Status.SERVING
    assert await check(channel, "broken") == Status.NOT_SERVING
    gateway.draining = True
    assert await check(channel, "fake") == Status.NOT_SERVING


async def test_an_unknown_model_is_not_found(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(channel, "none")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_watcher_is_told_of_each_change_once(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    states = gateway.states
    gateway.states = ()
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="fake"))
    assert (await watch.read()).status == Status.SERVICE_UNKNOWN
    gateway.changes.notify()  # nothing of interest has changed
    gateway.states = states
    gateway.changes.notify()
    assert (await watch.read()).status == Status.SERVING
    gateway.states = states[1:]
    gateway.changes.notify()
    assert (await watch.read()).status == Status.NOT_SERVING
    watch.cancel()


async def test_a_watch_ends_when_the_server_drains(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == Status.SERVING
    gateway.draining = True
    gateway.changes.notify()
    assert (await watch.read()).status == Status.NOT_SERVING
    assert await asyncio.wait_for(watch.code(), 5) == grpc.StatusCode.UNAVAILABLE


async def test_reflection_names_the_services_and_their_messages(channel: grpc.aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask = reflection_pb2.ServerReflectionRequest
    requests = [ask(list_services=""), ask(file_containing_symbol="sluice.v1.Inference")]
    services, file = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in services.list_services_response.service}
    assert {"sluice.v1.Inference", "grpc.health.v1.Health"} <= names
    assert b"PredictRequest" in file.file_descriptor_response.file_descriptor_proto[0]

"""`grpc.health.v1.Health` for the whole service and for each model, and server reflection.

Knows what the gateway says of its models; the answers are computed when asked for, never stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

from service.domain import Call
from service.errors import NotFound, Unavailable
from service.protocols import rpc

if TYPE_CHECKING:
    from service.gateway import Gateway

SERVICE = "grpc.health.v1.Health"
_Status = health_pb2.HealthCheckResponse


def service(gateway: Gateway) -> rpc.RpcService:
    """Return Check and Watch. The service "" is the whole server, a model's name is that model."""

    async def check(message: bytes, _: Call) -> bytes:
        name = rpc.parse(health_pb2.HealthCheckRequest, message).service
        status = status_of(gateway, name)
        if status == _Status.SERVICE_UNKNOWN:
            raise NotFound("no model of that name", field="service")
        return _answer(status)

    async def watch(message: bytes, _: Call) -> AsyncGenerator[bytes, None]:
        name = rpc.parse(health_pb2.HealthCheckRequest, message).service
        sent = None
        while True:
            revision = gateway.changes.revision
            status = status_of(gateway, name)
            if status != sent:
                yield _answer(status)
                sent = status
            if gateway.draining:
                # A stream that stays open would hold up the shutdown; its client has been told.
                raise Unavailable("the server is draining")
            await gateway.changes.wait(revision)

    return rpc.RpcService(SERVICE, unary={"Check": check}, streams={"Watch": watch})


def status_of(gateway: Gateway, name: str) -> Any:
    """Return the status of the server (`name` "") or of a model: SERVING if any version is available."""
    if name == "":
        return _Status.SERVING if gateway.ready() and not gateway.draining else _Status.NOT_SERVING
    states = [status.state for status in gateway.statuses() if status.model.name == name]
    if not states:
        return _Status.SERVICE_UNKNOWN
    serving = "available" in states and not gateway.draining
    return _Status.SERVING if serving else _Status.NOT_SERVING


def reflect(server: grpc.aio.Server, *services: str) -> None:
    """Let `server` describe `services`, its health and its reflection to tools such as grpcurl."""
    reflection.enable_server_reflection((*services, SERVICE, reflection.SERVICE_NAME), server)


def _answer(status: Any) -> bytes:
    answer: bytes = _Status(status=status).SerializeToString()
    return answer

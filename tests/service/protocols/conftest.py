"""A fake gateway behind the real HTTP app and a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import httpx
import pytest

from service.protocols.limits import WireLimits
from service.protocols.servers import create_grpc_server, create_http_app
from tests.support.gateway import FakeGateway

LIMITS = WireLimits(max_body_bytes=4096, default_timeout_s=5.0, max_timeout_s=20.0)


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def http(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_http_app(gateway, LIMITS))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def channel(gateway: FakeGateway) -> AsyncIterator[grpc.aio.Channel]:
    server = create_grpc_server(gateway, LIMITS)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await asyncio.wait_for(server.stop(grace=0), 5)

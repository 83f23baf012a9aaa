from collections.abc import AsyncIterator

import httpx
import pytest

from service.protocols.operations.rest import create_operations_app
from tests.support.gateway import FakeGateway


@pytest.fixture
async def operations(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = create_operations_app(gateway, lambda accept: (b"sluice_up 1\n", f"text/x-{accept}"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_metrics_are_in_the_format_that_is_asked_for(operations: httpx.AsyncClient) -> None:
    response = await operations.get("/metrics", headers={"accept": "form"})
    assert response.text == "sluice_up 1\n"
    assert response.headers["content-type"] == "text/x-form"


async def test_a_process_that_answers_is_alive(operations: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.is_ready = False
    assert (await operations.get("/healthz")).json() == {"status": "alive"}


async def test_readiness_tells_of_each_version_and_why_it_failed(operations: httpx.AsyncClient) -> None:
    response = await operations.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "draining": False,
        "models": [
            {"name": "fake", "version": 3, "state": "available", "labels": ["stable"]},
            {"name": "fake", "version": 4, "state": "failed", "labels": [], "reason": "checksum"},
            {
                "name": "broken",
                "version": 1,
                "state": "failed",
                "labels": [],
                "reason": "file 'model.onnx' is missing",
            },
        ],
    }


async def test_a_gateway_that_drains_is_not_ready(
    operations: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.draining = True
    response = await operations.get("/readyz")
    assert response.status_code == 503
    assert response.json()["draining"] is True


async def test_an_unknown_route_and_a_wrong_method_have_our_body(operations: httpx.AsyncClient) -> None:
    response = await operations.get("/nothing")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")
    response = await operations.post("/metrics")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "INVALID")

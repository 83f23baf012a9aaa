"""Admin calls over the operations port: who may, what is told to the repository, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.errors import Invalid, NotFound, TimedOut, Unavailable
from service.protocols.operations.rest import MAX_BODY_BYTES, create_operations_app
from tests.support.gateway import BEARER, KEY, FakeGateway

CALLS: list[tuple[str, str, dict[str, Any] | None, tuple[Any, ...]]] = [
    ("POST", "/admin/models/fake/load", None, ("load", "fake")),
    ("POST", "/admin/models/fake/unload", None, ("unload", "fake")),
    ("POST", "/admin/reload", None, ("reload",)),
    ("PUT", "/admin/models/fake/labels/stable", {"version": 3}, ("set_label", "fake", "stable", 3)),
    ("DELETE", "/admin/models/fake/labels/stable", None, ("remove_label", "fake", "stable")),
]
LABEL = "/admin/models/fake/labels/stable"


@pytest.fixture
async def operations(gateway: FakeGateway) -> AsyncIterator[httpx.AsyncClient]:
    app = create_operations_app(gateway, lambda _: (b"", "text/plain"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.fixture
def admin(operations: httpx.AsyncClient, gateway: FakeGateway) -> httpx.AsyncClient:
    gateway.switch_admin_on()
    operations.headers["authorization"] = BEARER
    return operations


@pytest.mark.parametrize(("method", "path", "body", "told"), CALLS)
async def test_with_the_key_it_is_done_and_the_state_of_the_versions_comes_back(
    admin: httpx.AsyncClient,
    gateway: FakeGateway,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    told: tuple[Any, ...],
) -> None:
    response = await admin.request(method, path, json=body)
    assert response.status_code == 200
    assert response.json() == {
        "models": [
            {"name": "fake", "version": 3, "state": "available", "labels": ["stable"]},
            {"name": "fake", "version": 4, "state": "failed", "labels": [], "reason": "checksum"},
        ]
    }
    assert gateway.controlled.told == [told]


@pytest.mark.parametrize(("method", "path", "body"), [call[:3] for call in CALLS])
async def test_switched_off_it_is_forbidden_whatever_key_is_shown(
    operations: httpx.AsyncClient,
    gateway: FakeGateway,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    for headers in ({}, {"authorization": BEARER}):
        response = await operations.request(method, path, json=body, headers=headers)
        assert response.status_code == 403
        error = response.json()["error"]
        assert error["code"] == "FORBIDDEN"
        assert "switched off" in error["message"]
        assert error["request_id"] == response.headers["x-request-id"]
    assert gateway.controlled.told == []


@pytest.mark.parametrize(("method", "path", "body"), [call[:3] for call in CALLS])
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer nonsense-nonsense"}, {"authorization": KEY}, {"x-api-key": KEY}],
)
async def test_without_the_key_the_way_to_show_it_is_told(
    operations: httpx.AsyncClient,
    gateway: FakeGateway,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    headers: dict[str, str],
) -> None:
    gateway.switch_admin_on()
    response = await operations.request(method, path, json=body, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "UNAUTHENTICATED"
    assert gateway.controlled.told == []


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"", LABEL),
        (b"3", LABEL),
        (b"{}", LABEL),
        (b'{"version": "3"}', LABEL),
        (b'{"version": true}', LABEL),
        (b'{"version": 0}', LABEL),
        (b'{"version": 9223372036854775808}', LABEL),
        (b'{"version": 3, "force": true}', LABEL),
        (b'{"version": 3}', "/admin/models/fake/labels/.hidden"),
        (b'{"version": 3}', "/admin/models/fake/labels/a%20b"),
    ],
)
async def test_a_label_that_cannot_be_is_refused(
    admin: httpx.AsyncClient, gateway: FakeGateway, content: bytes, path: str
) -> None:
    response = await admin.put(path, content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID")
    assert gateway.controlled.told == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("failed to load", field="model"), 400),
        (NotFound("no such model"), 404),
        (Unavailable("the models directory is gone", retry_after_s=1), 503),
        (TimedOut("not through yet"), 504),
        (RuntimeError("/secret/path"), 500),
    ],
)
async def test_what_goes_wrong_is_told_in_our_words(
    gateway: FakeGateway, error: Exception, status: int
) -> None:
    gateway.switch_admin_on()
    gateway.controlled.fail = error
    transport = httpx.ASGITransport(
        create_operations_app(gateway, lambda _: (b"", "text/plain")), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post("/admin/models/fake/load", headers={"authorization": BEARER})
    assert response.status_code == status
    assert "secret" not in response.text
    assert "message" in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/models/fake/load", 405),
        ("POST", "/admin/models/fake/labels/stable", 405),
        ("POST", "/admin/reload/", 404),
        ("POST", "/Admin/reload", 404),
        ("POST", "//admin/reload", 404),
        ("POST", "/admin/models/fake/versions/3/load", 404),
        ("POST", "/admin/models/a%2Fb/load", 404),
        ("POST", "/admin", 404),
    ],
)
async def test_there_is_one_way_to_write_each_call(
    admin: httpx.AsyncClient, gateway: FakeGateway, method: str, path: str, status: int
) -> None:
    headers = {"x-http-method-override": "PUT"}
    response = await admin.request(method, path, headers=headers, json={"version": 3})
    assert response.status_code == status
    assert gateway.controlled.told == []


async def test_a_large_body_is_refused(admin: httpx.AsyncClient) -> None:
    response = await admin.put(LABEL, content=b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413

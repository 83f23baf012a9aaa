"""Loading and unloading over both wires of the protocol: who may, what is taken, and what comes back."""

import time
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from pb import oip_pb2 as pb
from pb.oip_pb2_grpc import GRPCInferenceServiceStub
from service.errors import Invalid, NotFound
from tests.support.gateway import BEARER, KEY, FakeGateway

LOAD = "/v2/repository/models/fake/load"
UNLOAD = "/v2/repository/models/fake/unload"
SHOWN = {"authorization": BEARER}
METADATA = (("authorization", BEARER),)


@pytest.fixture
def admin(gateway: FakeGateway) -> FakeGateway:
    gateway.switch_admin_on()
    return gateway


def load_request(**parameters: Any) -> pb.RepositoryModelLoadRequest:
    request = pb.RepositoryModelLoadRequest(model_name="fake")
    for name, value in parameters.items():
        kind = {str: "string_param", bytes: "bytes_param", bool: "bool_param"}[type(value)]
        setattr(request.parameters[name], kind, value)
    return request


async def test_with_the_key_a_model_is_loaded_and_unloaded_over_rest(
    http: httpx.AsyncClient, admin: FakeGateway
) -> None:
    response = await http.post(LOAD, headers=SHOWN)
    assert (response.status_code, response.json()) == (200, {"name": "fake", "load": True})
    body = {"parameters": {"unload_dependents": False}}
    response = await http.post(UNLOAD, headers=SHOWN, json=body)
    assert (response.status_code, response.json()) == (200, {"name": "fake", "unload": True})
    assert admin.controlled.told == [("load", "fake"), ("unload", "fake")]


async def test_with_the_key_a_model_is_loaded_and_unloaded_over_grpc(
    channel: grpc.aio.Channel, admin: FakeGateway
) -> None:
    stub = GRPCInferenceServiceStub(channel)
    loaded = await stub.RepositoryModelLoad(load_request(), metadata=METADATA)
    assert (loaded.model_name, loaded.isLoaded) == ("fake", True)
    request = pb.RepositoryModelUnloadRequest(model_name="fake")
    request.parameters["unload_dependents"].bool_param = True
    unloaded = await stub.RepositoryModelUnload(request, metadata=METADATA)
    assert (unloaded.model_name, unloaded.isUnloaded) == ("fake", True)
    assert admin.controlled.told == [("load", "fake"), ("unload", "fake")]


async def test_the_name_may_be_where_kserve_has_it(channel: grpc.aio.Channel, admin: FakeGateway) -> None:
    stub = GRPCInferenceServiceStub(channel)
    await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(repository_name="fake"), metadata=METADATA)
    assert admin.controlled.told == [("load", "fake")]
    both = pb.RepositoryModelLoadRequest(repository_name="other", model_name="fake")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.RepositoryModelLoad(both, metadata=METADATA)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
async def test_nobody_may_over_rest_unless_it_is_switched_on_and_the_key_is_shown(
    http: httpx.AsyncClient, gateway: FakeGateway, path: str
) -> None:
    for content in (b"", b"{", b"{}"):
        response = await http.post(path, headers=SHOWN, content=content)
        assert response.status_code == 403
        assert "switched off" in response.json()["error"]
    gateway.switch_admin_on()
    for headers in ({}, {"authorization": "Bearer wrong"}, {"triton-grpc-protocol-model-repository": KEY}):
        response = await http.post(path, headers=headers, content=b"{")
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert list(response.json()) == ["error"]
    assert gateway.controlled.told == []


@pytest.mark.parametrize("method", ["RepositoryModelLoad", "RepositoryModelUnload"])
async def test_nobody_may_over_grpc_unless_it_is_switched_on_and_the_key_is_shown(
    channel: grpc.aio.Channel, gateway: FakeGateway, method: str
) -> None:
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
    for message in (b"", b"\xff"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(message, metadata=METADATA)
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    gateway.switch_admin_on()
    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", KEY),)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff", metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert gateway.controlled.told == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (LOAD, {"parameters": {"config": "{}"}}, 501),
        (LOAD, {"parameters": {"file:1/model.onnx": "AAAA"}}, 501),
        (LOAD, {"parameters": {"config": "{}", "file:../../etc/x": "AAAA"}}, 501),
        (LOAD, {"parameters": {"force": True}}, 400),
        (LOAD, {"parameters": {"unload_dependents": True}}, 400),
        (LOAD, {"parameters": ["config"]}, 400),
        (LOAD, [], 400),
        (UNLOAD, {"parameters": {"unload_dependents": "yes"}}, 400),
        (UNLOAD, {"parameters": {"config": "{}"}}, 400),
        ("/v2/repository/models//load", {}, 400),
    ],
)
async def test_what_is_not_taken_is_said(
    http: httpx.AsyncClient, admin: FakeGateway, path: str, body: object, status: int
) -> None:
    response = await http.post(path, headers=SHOWN, json=body)
    assert response.status_code == status, response.text
    assert "/etc" not in response.json()["error"].split("[")[0]
    assert admin.controlled.told == []


async def test_overrides_are_not_taken_over_grpc_either(
    channel: grpc.aio.Channel, admin: FakeGateway
) -> None:
    stub = GRPCInferenceServiceStub(channel)
    for parameters in ({"config": "{}"}, {"file:1/model.onnx": b"x"}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RepositoryModelLoad(load_request(**parameters), metadata=METADATA)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    empty = load_request()
    empty.parameters["config"].SetInParent()
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.RepositoryModelLoad(empty, metadata=METADATA)
    assert admin.controlled.told == []


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (NotFound("there is no model 'fake'", field="model"), 404, "Request for unknown model: 'fake' is"),
        (Invalid("failed to load version 4 of model 'fake': checksum", field="model"), 400, "checksum"),
    ],
)
async def test_what_goes_wrong_is_in_the_protocols_words(
    http: httpx.AsyncClient, admin: FakeGateway, error: Exception, status: int, text: str
) -> None:
    admin.controlled.fail = error
    response = await http.post(LOAD, headers=SHOWN)
    assert response.status_code == status
    assert text in response.json()["error"]


async def test_a_load_may_take_as_long_as_anything_may_unless_its_caller_says_less(
    http: httpx.AsyncClient, channel: grpc.aio.Channel, admin: FakeGateway
) -> None:
    stub = GRPCInferenceServiceStub(channel)
    await http.post(LOAD, headers=SHOWN)
    assert admin.controlled.deadline_at_s > time.monotonic() + 15
    await http.post(LOAD, headers={**SHOWN, "x-request-timeout-ms": "5000"})
    assert admin.controlled.deadline_at_s < time.monotonic() + 10
    await stub.RepositoryModelLoad(load_request(), metadata=METADATA)
    assert admin.controlled.deadline_at_s > time.monotonic() + 15
    await stub.RepositoryModelLoad(load_request(), metadata=METADATA, timeout=5)
    assert admin.controlled.deadline_at_s < time.monotonic() + 10


async def test_the_extension_is_listed_only_while_it_is_on(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    extension = "model_repository(unload_dependents)"
    assert extension not in (await http.get("/v2")).json()["extensions"]
    gateway.switch_admin_on()
    assert extension in (await http.get("/v2")).json()["extensions"]

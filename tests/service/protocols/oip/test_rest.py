import asyncio
import gzip
import json
from typing import Any

import httpx
import numpy as np
import pytest

from service.domain import GenerateRequest, ModelRef, PredictRequest, Sampling
from service.errors import Internal, Invalid, NotFound, Overloaded, TimedOut, Unavailable, Unsupported
from tests.support.gateway import FakeGateway

X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
INFER = "/v2/models/fake/infer"


async def test_health_is_told_by_status_and_body(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    live, ready = await http.get("/v2/health/live"), await http.get("/v2/health/ready")
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
    gateway.is_ready = False
    ready = await http.get("/v2/health/ready")
    assert (ready.status_code, ready.json()) == (400, {"ready": False})


async def test_a_model_is_ready_or_not_or_unknown(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    ready = await http.get("/v2/models/fake/versions/3/ready")
    assert (ready.status_code, ready.json()) == (200, {"name": "fake", "ready": True})
    assert (await http.get("/v2/models/other/ready")).status_code == 404
    gateway.draining = True
    assert (await http.get("/v2/models/fake/ready")).status_code == 400


async def test_infer_asks_the_gateway_and_answers_in_json(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    body = {"id": "7", "inputs": [X], "outputs": [{"name": "y"}], "parameters": {"signature": "s"}}
    response = await http.post("/v2/models/fake/versions/3/infer", json=body)
    assert response.json() == {
        "model_name": "fake",
        "model_version": "3",
        "id": "7",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.1, 0.25]}],
    }
    assert response.headers["x-sluice-batch-rows"] == "7"
    ref, asked, call = gateway.asked[0]
    assert ref == ModelRef("fake", 3)
    assert isinstance(asked, PredictRequest)
    assert (asked.signature, asked.outputs) == ("s", ("y",))
    assert asked.inputs["x"].tolist() == [[1, 2]]
    assert call.protocol == "rest"


async def test_a_timeout_brings_the_deadline_forward(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    await http.post(INFER, json={"inputs": [X]})
    await http.post(INFER, json={"inputs": [X], "parameters": {"timeout": 1_000_000}})
    without, within = (call.deadline_at_s for _, _, call in gateway.asked)
    assert without - within == pytest.approx(4, abs=0.5)


async def test_binary_and_classified_outputs(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.outputs = {"p": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)}
    wanted = {"name": "p", "parameters": {"classification": 1, "binary_data": False}}
    response = await http.post(INFER, json={"inputs": [X], "outputs": [wanted]})
    (output,) = response.json()["outputs"]
    assert output == {
        "name": "p",
        "datatype": "BYTES",
        "shape": [2, 1],
        "data": ["0.750000:1:yes", "0.500000:0:no"],
    }
    response = await http.post(INFER, json={"inputs": [X], "parameters": {"binary_data_output": True}})
    length = int(response.headers["inference-header-content-length"])
    assert response.headers["content-type"] == "application/octet-stream"
    assert json.loads(response.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert response.content[length:] == gateway.outputs["p"].tobytes()


async def test_a_raw_request_is_the_only_input(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    raw = np.array([3, 4], np.float32).tobytes()
    headers = {"inference-header-content-length": "0"}
    response = await http.post(INFER, content=raw, headers=headers)
    assert "inference-header-content-length" in response.headers
    assert gateway.asked[0][1].inputs["x"].tolist() == [[3, 4]]
    refused = await http.post(INFER, content=raw + b"1", headers=headers)
    assert refused.status_code == 400
    assert "input byte size mismatch for input 'x'. Expected 8, got 9" in refused.json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "4000"])
async def test_a_header_length_that_cannot_be_is_refused(http: httpx.AsyncClient, length: str) -> None:
    headers = {"inference-header-content-length": length}
    assert (await http.post(INFER, json={"inputs": [X]}, headers=headers)).status_code == 400


async def test_bodies_are_unpacked_and_answers_packed(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.outputs = {"y": np.zeros((1, 2000), np.float32)}
    body = gzip.compress(json.dumps({"inputs": [X]}).encode())
    headers = {"content-encoding": "gzip", "accept-encoding": "gzip"}
    response = await http.post(INFER, content=body, headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.json()["outputs"][0]["data"]) == 2000
    bomb = gzip.compress(bytes(100_000))
    assert (await http.post(INFER, content=bomb, headers=headers)).status_code == 413
    assert (await http.post(INFER, content=b"{}", headers=headers)).status_code == 400
    unknown = await http.post(INFER, content=b"{}", headers={"content-encoding": "br"})
    assert (unknown.status_code, unknown.headers["accept-encoding"]) == (415, "gzip, deflate")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("wrong", field="inputs.x"), 400),
        (NotFound("none", field="signature"), 404),
        (Overloaded("full", retry_after_s=2), 429),
        (Unavailable("loading"), 503),
        (TimedOut("late"), 504),
        (Unsupported("cannot"), 501),
        (Internal("internal error"), 500),
        (RuntimeError("secret"), 500),
    ],
)
async def test_errors_are_one_text(
    http: httpx.AsyncClient, gateway: FakeGateway, error: Exception, status: int
) -> None:
    gateway.fail = error
    response = await http.post(INFER, json={"inputs": [X]})
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert "secret" not in response.text
    assert response.headers["x-request-id"]


async def test_paths_and_methods_that_are_not_served(http: httpx.AsyncClient) -> None:
    for path in (
        "/v2/nothing",
        "/v2/models/fake/versions//infer",
        "/v2/models//infer",
        "/v2/systemsharedmemory",
        "/v2/systemsharedmemory/register",
        "/v2/systemsharedmemory/region//status",
    ):
        response = await http.post(path)
        assert (response.status_code, list(response.json())) == (404, ["error"])
    response = await http.get(INFER)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await http.get("/v2/")).json()["name"] == "sluice"


async def test_a_body_beyond_the_limit_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post(INFER, content=bytes(5000))).status_code == 413


async def test_the_repository_is_listed(http: httpx.AsyncClient) -> None:
    listed = (await http.post("/v2/repository/index")).json()
    assert listed[2] == {
        "name": "broken",
        "version": "1",
        "state": "UNAVAILABLE",
        "reason": "file 'model.onnx' is missing",
    }
    ready = (await http.post("/v2/repository/index", json={"ready": True})).json()
    assert [(each["name"], each["version"]) for each in ready] == [("fake", "3")]


GENERATED: dict[str, Any] = {
    "text_input": "ab",
    "id": "9",
    "max_tokens": 5,
    "parameters": {"temperature": 0, "stop": "x", "seed": 3},
}


async def test_generate_takes_its_parameters_from_both_places(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    response = await http.post("/v2/models/fake/generate", json=GENERATED)
    assert response.json() == {
        "model_name": "fake",
        "model_version": "3",
        "id": "9",
        "text_output": "one two three",
        "finish_reason": "length",
    }
    asked = gateway.asked[0][1]
    assert asked == GenerateRequest("ab", 5, Sampling(temperature=0, seed=3), ("x",))
    await http.post("/v2/models/fake/generate", json={**GENERATED, "exclude_input_in_output": False})
    assert gateway.asked[1][1].echo


async def test_a_stream_tells_an_error_as_its_last_event(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.fail_after = Internal("internal error")
    response = await http.post("/v2/models/fake/generate_stream", json=GENERATED)
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n") if line]
    assert [event.get("text_output") for event in events[:-1]] == ["one ", "two ", "three"]
    assert events[-1] == {"error": "internal error"}
    gateway.fail = Overloaded("full", retry_after_s=1)
    assert (await http.post("/v2/models/fake/generate_stream", json=GENERATED)).status_code == 429


@pytest.mark.parametrize(
    "wrong",
    [
        {"text_input": 1},
        {"max_tokens": "five"},
        {"temperature": True},
        {"stop": [1]},
        {"seed": 2**70},
        {"parameters": {"nested": {}}},
        {"sampling_parameters": "not json"},
        {"timeout": -1},
    ],
)
async def test_generate_refuses_what_it_cannot_read(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    for action in ("generate", "generate_stream"):
        response = await http.post(f"/v2/models/fake/{action}", json={**GENERATED, **wrong})
        assert response.status_code == 400, response.text


async def test_settings_are_told_and_not_changed(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v2/trace/setting")).json()["trace_level"] == ["OFF"]
    assert (await http.post("/v2/trace/setting", json={"trace_rate": "1"})).status_code == 501
    assert (await http.get("/v2/models/other/trace/setting")).status_code == 404
    assert (await http.get("/v2/logging")).json()["log_error"] is True
    assert (await http.post("/v2/logging", json={"log_info": False})).status_code == 501


async def test_generation_ends_when_its_caller_leaves(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.hold_stream = asyncio.Event()
    asking = asyncio.ensure_future(http.post("/v2/models/fake/generate_stream", json=GENERATED))
    await asyncio.wait_for(gateway.entered.wait(), 5)
    asking.cancel()
    await asyncio.wait_for(gateway.left.wait(), 5)

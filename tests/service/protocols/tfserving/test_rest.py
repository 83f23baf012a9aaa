import gzip
import json
import zlib

import httpx
import numpy as np
import pytest

from service.domain import ModelRef, PredictRequest
from service.errors import (
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    TooLarge,
    Unavailable,
)
from tests.support.gateway import FakeGateway

PREDICT = "/v1/models/fake:predict"


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    document = response.json()
    assert list(document) == ["error"]
    return document["error"]


async def test_rows_in_rows_out(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    # As `curl -d` sends it: TensorFlow Serving does not look at the content type.
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await http.post(PREDICT, content=b'{"instances": [[1, 2]]}', headers=headers)
    assert response.content == b'{"predictions":[[0.1,0.25]]}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-sluice-batch-rows"] == "7"
    ref, request, call = gateway.asked[0]
    assert ref == ModelRef("fake")
    assert request.inputs["x"].dtype == np.float32
    assert call.protocol == "rest"


async def test_columns_in_columns_out(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.outputs = {"y": np.array([1]), "z": np.array([[2.5]], np.float32)}
    response = await http.post(PREDICT, json={"inputs": {"x": [[1, 2]]}})
    assert response.json() == {"outputs": {"y": [1], "z": [[2.5]]}}


async def test_an_address_may_have_a_version_or_a_label_and_capitals(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    for path in ("/v1/models/fake/versions/3:predict", "/V1/Models/f%61ke/LABELS/a%20b:Predict"):
        assert (await http.post(path, json={"inputs": [[1, 2]]})).status_code == 200
    assert [ref for ref, _, _ in gateway.asked] == [ModelRef("fake", 3), ModelRef("fake", None, "a b")]


async def test_a_classifier_of_features_classifies(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.outputs = {"p": np.array([[0.25, 0.75]], np.float32)}
    body = {"examples": [{"height": 1.0, "width": 2}]}
    response = await http.post("/v1/models/fake:classify", json=body)
    assert response.json() == {"results": [[["no", 0.25], ["yes", 0.75]]]}
    request = gateway.asked[0][1]
    assert isinstance(request, PredictRequest)
    assert request.inputs["x"].tolist() == [[1, 2]]
    error = error_of(await http.post("/v1/models/fake:regress", json=body), 400)
    assert error.startswith("Expected regression signature method_name to be tensorflow/serving/regress.")


async def test_where_versions_stand(http: httpx.AsyncClient) -> None:
    available = {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert (await http.get("/v1/models/fake/versions/3")).json() == {"model_version_status": [available]}
    assert (await http.get("/v1/models/fake/labels/stable")).json() == {"model_version_status": [available]}
    everyone = (await http.get("/V1/models/fake")).json()
    assert [each["version"] for each in everyone["model_version_status"]] == ["4", "3"]
    assert (
        error_of(await http.get("/v1/models/fake/versions/9"), 404)
        == "Could not find version 9 of model fake"
    )
    assert error_of(await http.get("/V1/models/none"), 404) == "Could not find any versions of model none"


async def test_one_document_of_a_model_serves_readers_of_three_kinds(http: httpx.AsyncClient) -> None:
    detail = (await http.get("/v1/models/fake")).json()
    assert [each["state"] for each in detail["model_version_status"]] == ["END", "AVAILABLE"]
    assert (detail["id"], detail["object"], detail["owned_by"]) == ("fake", "model", "sluice")
    assert detail["created"] == 1767312000
    assert detail["word"] == "classify"


async def test_metadata_are_told(http: httpx.AsyncClient) -> None:
    document = (await http.get("/v1/models/fake/metadata")).json()
    assert document["model_spec"] == {"name": "fake", "signature_name": "", "version": "3"}
    assert "serving_default" in document["metadata"]["signature_def"]["signature_def"]
    assert error_of(await http.get("/v1/models/none/metadata"), 404) == (
        "Servable not found for request: Latest(none)"
    )


async def test_another_path_is_malformed(http: httpx.AsyncClient) -> None:
    assert error_of(await http.get(PREDICT), 400) == f"Malformed request: GET {PREDICT}"
    assert (
        error_of(await http.post("/v1/models/fake", json={}), 400)
        == "Malformed request: POST /v1/models/fake"
    )
    assert error_of(await http.get("/V1/models"), 400) == "Missing model name in request."


@pytest.mark.parametrize(
    ("raised", "status", "text"),
    [
        (Invalid("wrong"), 400, "wrong"),
        (NotFound("-", field="version"), 404, "Servable not found for request: Specific(fake, 3)"),
        (NotFound("-", field="label"), 400, "Unrecognized servable version label: "),
        (TooLarge("large"), 413, "large"),
        (Overloaded("full", retry_after_s=2), 429, "full"),
        (Unavailable("loading"), 503, "loading"),
        (TimedOut("late"), 504, "late"),
        (Internal("internal error"), 500, "internal error"),
        (RuntimeError("secret"), 500, "internal error"),
    ],
)
async def test_every_error_has_its_status_and_one_text(
    http: httpx.AsyncClient, gateway: FakeGateway, raised: ServiceError, status: int, text: str
) -> None:
    gateway.fail = raised
    response = await http.post("/v1/models/fake/versions/3:predict", json={"inputs": [[1, 2]]})
    assert error_of(response, status) == text


async def test_what_the_edge_refuses_has_their_body_too(http: httpx.AsyncClient) -> None:
    assert "larger than 4096 bytes" in error_of(await http.post(PREDICT, content=b" " * 5000), 413)
    response = await http.post(PREDICT, content=b"{}", headers={"x-request-timeout-ms": "x"})
    assert "positive whole number" in error_of(response, 400)
    response = await http.post(PREDICT, content=b"{}", headers={"content-encoding": "br"})
    assert error_of(response, 415) == "expected gzip, deflate or identity"


async def test_bodies_are_unpacked_and_long_answers_packed(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.outputs = {"y": np.zeros((1, 2000), np.float32)}
    body = b'{"instances": [[1, 2]]}'
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        headers = {"content-encoding": encoding, "accept-encoding": encoding}
        response = await http.post(PREDICT, content=pack(body), headers=headers)
        assert (response.headers["content-encoding"], response.headers["vary"]) == (
            encoding,
            "accept-encoding",
        )
        assert int(response.headers["content-length"]) < 1000
        assert len(response.json()["predictions"][0]) == 2000
        assert error_of(await http.post(PREDICT, content=body, headers=headers), 400)
        assert error_of(await http.post(PREDICT, content=pack(bytes(100_000)), headers=headers), 413)
    plain = await http.post(PREDICT, content=body, headers={"accept-encoding": "br"})
    assert "content-encoding" not in plain.headers
    assert len(plain.json()["predictions"][0]) == 2000


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"instances": null}', b'{"inputs": {}}'])
async def test_a_bad_body_is_refused(http: httpx.AsyncClient, gateway: FakeGateway, body: bytes) -> None:
    for verb in ("predict", "classify", "regress"):
        assert error_of(await http.post(f"/v1/models/fake:{verb}", content=body), 400)
    assert gateway.asked == []


async def test_outputs_of_unequal_rows_cannot_be_told_by_row(
    http: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.outputs = {"y": np.zeros(1), "z": np.zeros(2)}
    response = await http.post(PREDICT, content=json.dumps({"instances": [[1, 2]]}))
    assert "has inconsistent batch size" in error_of(response, 400)

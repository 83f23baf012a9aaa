import asyncio
import base64
import gzip
import json
from typing import Any

import httpx
import orjson
import pytest

from service.domain import (
    ClassifyRequest,
    GenerateRequest,
    ModelRef,
    Sampling,
    ScoreRequest,
    TranslateRequest,
)
from service.errors import (
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unavailable,
    Unsupported,
)
from tests.support.gateway import FakeGateway

MODEL = {"name": "fake", "version": 3}
JSON = {"content-type": "application/json"}
BODIES = {
    "classify": {"text": "hello"},
    "generate": {"prompt": "hello"},
    "translate": {"texts": ["hello"]},
    "score": {"rows": [[1, 2]]},
    "predict": {"inputs": {"x": [[1, 2]]}},
}
WORDS = sorted(BODIES)


async def post(http: httpx.AsyncClient, word: str, body: object = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(BODIES[word] if body is None else body)
    return await http.post(f"/v1/{word}", content=content, headers={**JSON, **headers})


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    return error


async def test_classify_answers_with_labels(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    image = base64.b64encode(b"png").decode()
    response = await post(http, "classify", {"model": "fake", "label": "stable", "image": image, "top_k": 2})
    assert response.json() == {
        "model": MODEL,
        "labels": [{"label": "yes", "probability": 0.75}, {"label": "no", "probability": 0.25}],
    }
    ref, request, call = gateway.asked[0]
    assert ref == ModelRef("fake", None, "stable")
    assert request == ClassifyRequest(image=b"png", top_k=2)
    assert call.protocol == "rest"


async def test_classify_takes_each_form_of_input(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    for body in ({"pixels": [[0, 255]], "scaled": True}, {"features": [1, 2.5]}, {"features": {"a": 1}}):
        assert (await post(http, "classify", body)).status_code == 200
    assert [request for _, request, _ in gateway.asked] == [
        ClassifyRequest(pixels=[[0, 255]], scaled=True),
        ClassifyRequest(features=[1.0, 2.5]),
        ClassifyRequest(features={"a": 1.0}),
    ]


async def test_generate_answers_with_text_and_usage(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    body = {
        "prompt": "p",
        "max_tokens": 3,
        "temperature": 0.5,
        "top_k": 4,
        "top_p": 0.9,
        "seed": 1,
        "stop": "x",
    }
    response = await post(http, "generate", body)
    assert response.json() == {
        "model": MODEL,
        "text": "one two three",
        "finish_reason": "length",
        "usage": {"prompt_tokens": 2, "completion_tokens": 3},
    }
    assert gateway.asked[0][1] == GenerateRequest("p", 3, Sampling(0.5, 4, 0.9, 1), ("x",))


async def test_translate_takes_one_text_or_many(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    response = await post(http, "translate", {"text": "a b", "beams": 4})
    assert response.json()["translations"] == [
        {"text": "A B", "score": -0.5, "finish_reason": "stop", "source_tokens": 3, "target_tokens": 2}
    ]
    assert (await post(http, "translate", {"texts": "c"})).status_code == 200
    assert (await post(http, "translate", {"texts": ["d", "e"]})).status_code == 200
    assert [request for _, request, _ in gateway.asked] == [
        TranslateRequest(("a b",), beams=4),
        TranslateRequest(("c",)),
        TranslateRequest(("d", "e")),
    ]


async def test_score_takes_one_row_or_many(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    response = await post(http, "score", {"rows": [1, 2], "top_features": 1})
    assert response.json() == {
        "model": MODEL,
        "threshold": 1.5,
        "rows": [
            {
                "score": 2.5,
                "is_anomaly": True,
                "verdict": "anomaly",
                "contributions": [{"feature": "height", "share": 0.75}],
            }
        ],
    }
    assert (await post(http, "score", {"rows": {"a": 1}})).status_code == 200
    assert (await post(http, "score", {"rows": [{"a": 1}, [2]]})).status_code == 200
    assert [request for _, request, _ in gateway.asked] == [
        ScoreRequest(([1.0, 2.0],), top_features=1),
        ScoreRequest(({"a": 1.0},)),
        ScoreRequest(({"a": 1.0}, [2.0])),
    ]


async def test_predict_answers_with_nested_lists(http: httpx.AsyncClient) -> None:
    response = await post(http, "predict")
    assert response.json() == {
        "model": MODEL,
        "signature": "serving_default",
        "outputs": {"y": [[0.1, 0.25]]},
    }


@pytest.mark.parametrize("word", WORDS)
async def test_an_answer_tells_its_request_and_timing(http: httpx.AsyncClient, word: str) -> None:
    response = await post(http, word, **{"x-request-id": "mine-1"})
    assert response.status_code == 200
    assert response.headers["x-request-id"] == "mine-1"
    assert response.headers["x-sluice-queue-us"] == "2500"
    assert response.headers["x-sluice-batch-rows"] == "7"
    assert response.headers["x-sluice-reason"] == "full"
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("word", WORDS)
async def test_a_caller_may_bound_the_time(http: httpx.AsyncClient, gateway: FakeGateway, word: str) -> None:
    now_s = asyncio.get_running_loop().time()
    await post(http, word, **{"x-request-timeout-ms": "1500"})
    assert gateway.asked[0][2].deadline_at_s == pytest.approx(now_s + 1.5, abs=0.5)
    error = error_of(await post(http, word, **{"x-request-timeout-ms": "0"}), 504)
    assert error["code"] == "TIMED_OUT"
    error = error_of(await post(http, word, **{"x-request-timeout-ms": "soon"}), 400)
    assert error["field"] == "x-request-timeout-ms"
    assert len(gateway.asked) == 1


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("wrong", field="inputs.x"), 400),
        (NotFound("none", field="model"), 404),
        (Overloaded("full", retry_after_s=3), 429),
        (Internal("internal error"), 500),
        (Unsupported("cannot"), 501),
        (Unavailable("loading", retry_after_s=1), 503),
        (TimedOut("late"), 504),
    ],
)
async def test_an_error_of_the_gateway_becomes_its_status(
    http: httpx.AsyncClient, gateway: FakeGateway, word: str, error: ServiceError, status: int
) -> None:
    gateway.fail = error
    response = await post(http, word)
    told = error_of(response, status)
    assert (told["code"], told["message"], told.get("field")) == (
        error.code.value,
        error.message,
        error.field,
    )
    expected = None if error.retry_after_s is None else str(int(error.retry_after_s))
    assert response.headers.get("retry-after") == expected


@pytest.mark.parametrize("word", WORDS)
async def test_an_unexpected_error_tells_nothing(
    http: httpx.AsyncClient, gateway: FakeGateway, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail = RuntimeError("secret path /etc")
    response = await post(http, word)
    assert error_of(response, 500)["message"] == "internal error"
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in caplog.text


BAD_JSON = {
    "empty": b"",
    "broken": b'{"a": ',
    "list": b"[]",
    "number": b"1",
    "nan": b'{"inputs": {"x": NaN}, "rows": [NaN], "prompt": NaN}',
    "infinity": b'{"rows": [1e999], "inputs": {"x": 1e999}}',
    "depth": b'{"inputs":' + b"[" * 2000,
    "surrogate": b'{"prompt": "\\ud800", "text": "\\ud800"}',
    "bom": b'\xef\xbb\xbf{"prompt": "a"}',
    "utf-16": '{"prompt": "a"}'.encode("utf-16"),
    "garbage": b'{"prompt": "a"} garbage',
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
async def test_json_that_is_none_is_refused(http: httpx.AsyncClient, word: str, body: bytes) -> None:
    error = error_of(await post(http, word, body), 400)
    assert (error["code"], error["field"]) == ("INVALID", "body")


@pytest.mark.parametrize("word", WORDS)
async def test_an_unknown_a_duplicate_and_a_missing_field_are_refused(
    http: httpx.AsyncClient, word: str
) -> None:
    assert error_of(await post(http, word, {**BODIES[word], "extra": 1}), 400)["field"] == "extra"
    twice = orjson.dumps(BODIES[word])[:-1] + b',"model":"a","model":"b"}'
    assert error_of(await post(http, word, twice), 400)["field"] == "model"
    error_of(await post(http, word, {}), 400)


@pytest.mark.parametrize(
    ("word", "body", "field"),
    [
        ("classify", {"text": "a", "image": "YQ=="}, "text"),
        ("classify", {}, "image"),
        ("classify", {"image": "YQ"}, "image"),
        ("classify", {"image": "YQ==\n"}, "image"),
        ("classify", {"image": "_-=="}, "image"),
        ("classify", {"image": ""}, "image"),
        ("classify", {"image": 1}, "image"),
        ("classify", {"text": 1}, "text"),
        ("classify", {"features": [1, "2"]}, "features[1]"),
        ("classify", {"features": {"a": None}}, "features.a"),
        ("classify", {"features": 1}, "features"),
        ("classify", {"text": "a", "top_k": 0}, "top_k"),
        ("classify", {"text": "a", "top_k": -(2**70)}, "top_k"),
        ("classify", {"text": "a", "top_k": 1.0}, "top_k"),
        ("classify", {"text": "a", "scaled": "yes"}, "scaled"),
        ("generate", {}, "prompt"),
        ("generate", {"prompt": ["a"]}, "prompt"),
        ("generate", {"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ("generate", {"prompt": "a", "temperature": -1}, "temperature"),
        ("generate", {"prompt": "a", "temperature": "1"}, "temperature"),
        ("generate", {"prompt": "a", "top_p": 0}, "top_p"),
        ("generate", {"prompt": "a", "top_k": -1}, "top_k"),
        ("generate", {"prompt": "a", "seed": -1}, "seed"),
        ("generate", {"prompt": "a", "seed": 2**63}, "seed"),
        ("generate", {"prompt": "a", "stop": ["a", 1]}, "stop[1]"),
        ("generate", {"prompt": "a", "stop": ["a"] * 17}, "stop"),
        ("generate", {"prompt": "a", "stream": 1}, "stream"),
        ("translate", {}, "texts"),
        ("translate", {"texts": []}, "texts"),
        ("translate", {"texts": ["a"], "text": "b"}, "texts"),
        ("translate", {"texts": [None]}, "texts[0]"),
        ("translate", {"text": "a", "beams": 0}, "beams"),
        ("translate", {"text": "a", "length_penalty": 1e300}, "length_penalty"),
        ("score", {}, "rows"),
        ("score", {"rows": []}, "rows"),
        ("score", {"rows": [[1], ["a"]]}, "rows[1][0]"),
        ("score", {"rows": [[1], 5]}, "rows[1]"),
        ("score", {"rows": [[True]]}, "rows[0][0]"),
        ("score", {"rows": "a"}, "rows"),
        ("score", {"rows": [[1]], "top_features": -1}, "top_features"),
        ("predict", {}, "inputs"),
        ("predict", {"inputs": []}, "inputs"),
        *((word, {**BODIES[word], "model": "../../etc"}, "model") for word in WORDS),
        *((word, {**BODIES[word], "model": "a" * 129}, "model") for word in WORDS),
        *((word, {**BODIES[word], "version": 0}, "version") for word in WORDS),
        *((word, {**BODIES[word], "version": 2**64}, "version") for word in WORDS),
        *((word, {**BODIES[word], "version": 1, "label": "x"}, "label") for word in WORDS),
    ],
)
async def test_a_wrong_field_is_named(
    http: httpx.AsyncClient, gateway: FakeGateway, word: str, body: object, field: str
) -> None:
    error = error_of(await post(http, word, body), 400)
    assert (error["code"], error["field"]) == ("INVALID", field)
    assert gateway.asked == []


async def test_many_mistakes_are_as_cheap_as_one(http: httpx.AsyncClient) -> None:
    error = error_of(await post(http, "score", {"rows": [["a"] * 300, ["a"] * 300]}), 400)
    assert error["field"] == "rows[0][0]"


@pytest.mark.parametrize("word", WORDS)
async def test_a_body_of_another_type_or_encoding_is_refused(http: httpx.AsyncClient, word: str) -> None:
    error = error_of(await post(http, word, **{"content-type": "text/plain"}), 400)
    assert error["field"] == "content-type"
    error = error_of(await post(http, word, **{"content-encoding": "br"}), 415)
    assert error["field"] == "content-encoding"
    error = error_of(await post(http, word, **{"content-encoding": "gzip"}), 400)
    assert error == {
        "code": "INVALID",
        "message": "the body is not valid gzip",
        "field": "body",
        "request_id": error["request_id"],
    }
    response = await http.post(f"/v1/{word}", content=json.dumps(BODIES[word]))
    assert response.status_code == 200  # a body that says nothing is JSON


@pytest.mark.parametrize("word", WORDS)
async def test_a_body_may_be_packed(http: httpx.AsyncClient, word: str) -> None:
    packed = gzip.compress(json.dumps(BODIES[word]).encode())
    response = await http.post(f"/v1/{word}", content=packed, headers={"content-encoding": "gzip"})
    assert response.status_code == 200
    bomb = gzip.compress(bytes(100_000))
    error_of(await http.post(f"/v1/{word}", content=bomb, headers={"content-encoding": "gzip"}), 413)


@pytest.mark.parametrize("word", WORDS)
async def test_a_large_body_is_refused_before_it_is_read(http: httpx.AsyncClient, word: str) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while read < 100_000:
            read += 100
            yield b" " * 100

    response = await http.post(f"/v1/{word}", content=endless(), headers=JSON)
    assert error_of(response, 413)["code"] == "TOO_LARGE"
    response = await http.post(f"/v1/{word}", content=b"{}", headers={**JSON, "content-length": "1000000000"})
    assert error_of(response, 413)["code"] == "TOO_LARGE"
    assert response.headers["connection"] == "close"


async def test_a_body_in_pieces_is_put_together(http: httpx.AsyncClient, gateway: FakeGateway) -> None:
    async def pieces() -> Any:
        for byte in b'{"inputs": {"x": [1, 2]}}':
            yield bytes([byte])

    response = await http.post("/v1/predict", content=pieces(), headers=JSON)
    assert response.status_code == 200
    assert gateway.asked[0][1].inputs == {"x": [1, 2]}


async def test_an_unknown_route_and_a_wrong_method_have_our_body(http: httpx.AsyncClient) -> None:
    assert error_of(await http.get("/v1/nothing"), 404)["code"] == "NOT_FOUND"
    response = await http.get("/v1/predict")
    assert error_of(response, 405)["code"] == "INVALID"
    assert response.headers["allow"] == "POST"
    error_of(await http.post("/v1/predict/", content=b"{}"), 404)
    error_of(await http.get("/v1/models/%2e%2e%2fx"), 404)


async def test_models_are_listed_with_their_versions(http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/models", headers={"x-request-id": "list-1"})
    assert response.headers["x-request-id"] == "list-1"
    assert response.json() == {
        "object": "list",
        "data": [
            {
                "id": "fake",
                "object": "model",
                "created": 1767312000,
                "owned_by": "sluice",
                "word": "classify",
                "versions": [
                    {"version": 3, "state": "available", "labels": ["stable"]},
                    {"version": 4, "state": "failed", "labels": [], "reason": "checksum"},
                ],
                "metrics": {"accuracy": 0.99},
            }
        ],
    }


async def test_a_model_tells_what_it_takes_and_gives(http: httpx.AsyncClient) -> None:
    detail = (await http.get("/v1/models/fake", params={"version": 3})).json()
    assert detail["word"] == "classify"
    assert (detail["object"], detail["created"], detail["owned_by"]) == ("model", 1767312000, "sluice")
    assert detail["signatures"]["serving_default"]["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": ["batch", 2], "kind": "values"}
    ]
    assert detail["labels"] == ["no", "yes"]
    assert detail["features"] == ["height", "width"]
    assert detail["limits"] == {"max_batch_rows": 64}
    assert detail["parity"]["serving_default"]["max_relative"] == 1e-6


async def test_a_model_that_is_not_there_is_not_found(http: httpx.AsyncClient) -> None:
    assert error_of(await http.get("/v1/models/none"), 404)["field"] == "model"
    assert error_of(await http.get("/v1/models/fake?version=x"), 400)["field"] == "version"
    assert error_of(await http.get("/v1/models/fake?version=1&label=a"), 400)["field"] == "label"

"""What the wire may bring at worst: each is a typed error, the process stays, and others are answered as before."""

import base64
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.e2e.conftest import Server

MULTIPLY = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
LETTERS = {"model": "letters", "prompt": "a", "max_tokens": 2}


def inputs(x: object, **others: object) -> dict[str, Any]:
    return {**MULTIPLY, "inputs": {"x": x, **others}}


@pytest.mark.parametrize(
    ("word", "body", "status", "field"),
    [
        ("predict", inputs([[1, 2]]), 400, "inputs.x"),
        ("predict", inputs([1, 2, 3, 4]), 400, "inputs.x"),
        ("predict", inputs([[1, 2, 3, 4], [1]]), 400, "inputs.x"),
        ("predict", inputs([["a", "b", "c", "d"]]), 400, "inputs.x"),
        ("predict", inputs([]), 400, "inputs.x"),
        ("predict", inputs(None), 400, "inputs.x"),
        ("predict", inputs({"a": 1}), 400, "inputs.x"),
        ("predict", inputs([[1, 2, 3, 4]], z=[1]), 400, "inputs.z"),
        ("predict", {"model": "multiply", "inputs": {}}, 400, "inputs"),
        ("predict", {**MULTIPLY, "signature": "none"}, 404, "signature"),
        ("predict", {**MULTIPLY, "outputs": ["none"]}, 400, "outputs"),
        ("predict", {**MULTIPLY, "model": "none"}, 404, "model"),
        ("predict", {**MULTIPLY, "version": 9}, 404, "version"),
        ("predict", {**MULTIPLY, "label": "none"}, 404, "label"),
        ("predict", {**MULTIPLY, "extra": 1}, 400, "extra"),
        ("classify", {"image": base64.b64encode(b"no image").decode()}, 400, "image"),
        ("classify", {"pixels": [["a"]]}, 400, "pixels"),
        ("classify", {"pixels": []}, 400, "pixels"),
        ("classify", {"text": "for another model"}, 400, "text"),
        ("classify", {"model": "letters", "pixels": [[1]]}, None, "model"),
        ("generate", {**LETTERS, "prompt": "a" * 1000}, 400, "prompt"),
        ("generate", {**LETTERS, "prompt": ""}, 400, "prompt"),
        ("translate", {"text": "un " * 5000}, 400, "texts[0]"),
        ("score", {"rows": [[1, 2]]}, 400, "rows[0]"),
        ("score", {"rows": [{"length": 1, "breadth": 2, "height": 3}]}, 400, "rows[0].breadth"),
    ],
)
def test_a_wrong_request_is_refused_and_its_field_named(
    untouched: Server, word: str, body: object, status: int | None, field: str
) -> None:
    response = untouched.post(word, body)
    error = response.json()["error"]
    assert error.get("field") == field, error
    assert response.status_code in ({status} if status else {400, 404, 501}), error
    assert error["request_id"] == response.headers["x-request-id"]
    assert not any(word in error["message"] for word in ("Traceback", "/tmp", ".py"))  # noqa: S108  # no paths leak


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"inputs": {"x": [[NaN, 1, 1, 1]]}}',
        b'{"inputs":' + b"[" * 100_000,
        b'{"inputs": {"x": [[1e999, 1, 1, 1]]}}',
        b'{"inputs": {}, "inputs": {}}',
        b"\xff\xfe{\x00}\x00",
    ],
)
@pytest.mark.parametrize("word", ["classify", "generate", "translate", "score", "predict"])
def test_json_that_is_none_is_refused(untouched: Server, word: str, body: bytes) -> None:
    response = untouched.post(word, body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "INVALID")


def speak(server: Server, sent: bytes) -> bytes:
    """Send bytes and return everything that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.ports["http_port"]), timeout=10) as wire:
        wire.sendall(sent)
        received = b""
        while piece := wire.recv(65536):
            received += piece
        return received


def test_a_gigabyte_is_refused_when_it_is_announced(untouched: Server) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n"
    answer = speak(untouched, head + b"{")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"TOO_LARGE" in answer


def test_a_gigabyte_in_chunks_is_refused_at_the_limit_and_needs_little_memory(untouched: Server) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1_000_000
            yield b" " * 1_000_000

    before = untouched.metric("process_resident_memory_bytes")
    try:
        response = untouched.http.post(
            "/v1/score", content=endless(), headers={"content-type": "application/json"}
        )
    except httpx.TransportError:
        pass  # the server closed the connection while we were still sending
    else:
        assert response.status_code == 413
    assert sent < 1_000_000_000
    assert untouched.metric("process_resident_memory_bytes") - before < 400e6


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
def test_http_that_is_none_is_refused(untouched: Server, sent: bytes) -> None:
    answer = speak(untouched, sent.replace(b"host: x", b"host: x\r\nconnection: close"))
    assert answer.startswith(b"HTTP/1.1 4")


def test_a_body_in_chunks_of_one_byte_is_read(untouched: Server) -> None:
    body = json.dumps(MULTIPLY).encode()
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body) + b"0\r\n\r\n"
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
    answer = speak(untouched, head + b"transfer-encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_never_comes_is_given_up_at_the_deadline(untouched: Server) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\nx-request-timeout-ms: 100\r\ncontent-length: 50\r\n\r\n"
    answer = speak(untouched, head + b"{")
    assert answer.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize(
    "path", ["/v1/models/..%2f..%2fetc%2fpasswd", "/v1/models/%00", "/v1/models/" + "a" * 5000]
)
def test_a_name_that_is_none_is_not_found(untouched: Server, path: str) -> None:
    response = untouched.http.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_a_passed_deadline_is_told_on_both_wires(untouched: Server) -> None:
    response = untouched.post("predict", MULTIPLY, **{"x-request-timeout-ms": "0"})
    assert (response.status_code, response.json()["error"]["code"]) == (504, "TIMED_OUT")
    endless = {"model": "endless", "prompt": "a", "max_tokens": 10_000_000}
    response = untouched.post("generate", endless, **{"x-request-timeout-ms": "100"})
    assert (response.status_code, response.json()["error"]["code"]) == (504, "TIMED_OUT")
    request = pb.GenerateRequest(model=pb.ModelRef(name="endless"), prompt="a", max_tokens=10_000_000)
    for method in (
        InferenceStub(untouched.channel).Generate,
        InferenceStub(untouched.channel).GenerateStream,
    ):
        with pytest.raises(grpc.RpcError) as caught:
            list(method(request, timeout=0.1)) if method.__class__.__name__.startswith(
                "_UnaryStream"
            ) else method(request, timeout=0.1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("method", ["Classify", "Generate", "Translate", "Score", "Predict"])
def test_bytes_that_are_no_message_are_an_invalid_argument(untouched: Server, method: str) -> None:
    call = untouched.channel.unary_unary(f"/sluice.v1.Inference/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert dict(caught.value.trailing_metadata())["sluice-error-field"] == "message"


@pytest.mark.parametrize(
    ("tensor", "status", "field"),
    [
        (pb.Tensor(dtype="float32", shape=[1, 2], floats=[1, 2]), "INVALID_ARGUMENT", "inputs.x"),
        (pb.Tensor(dtype="bool", shape=[1, 4], bools=[True] * 4), "INVALID_ARGUMENT", "inputs.x"),
        (pb.Tensor(dtype="float32", shape=[2**31, 2**31, 4]), "INVALID_ARGUMENT", "inputs.x.shape"),
        (pb.Tensor(dtype="float32", shape=[0, 4]), "INVALID_ARGUMENT", "inputs.x"),
    ],
)
def test_a_wrong_tensor_is_refused_and_named(
    untouched: Server, tensor: pb.Tensor, status: str, field: str
) -> None:
    request = pb.PredictRequest(model=pb.ModelRef(name="multiply"), inputs={"x": tensor})
    with pytest.raises(grpc.RpcError) as caught:
        InferenceStub(untouched.channel).Predict(request)
    assert caught.value.code().name == status
    assert dict(caught.value.trailing_metadata())["sluice-error-field"] == field


def test_a_message_beyond_the_limit_is_refused(untouched: Server) -> None:
    call = untouched.channel.unary_unary("/sluice.v1.Inference/Predict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\x00" * (64 * 2**20 + 1))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_good_requests_among_bad_ones_are_answered_as_if_alone(untouched: Server) -> None:
    def ask(number: int) -> tuple[int, Any]:
        if number % 3 == 0:
            return number, untouched.post("predict", inputs([[number, "x", 0, 0]])).status_code
        return number, untouched.post("predict", inputs([[number, 0, 0, 0]])).json()["outputs"]["y"]

    with ThreadPoolExecutor(8) as pool:
        for number, answer in pool.map(ask, range(120)):
            assert answer == (400 if number % 3 == 0 else [[number * 2, 0, 0, 0]])

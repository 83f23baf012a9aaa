"""Requests of the Open Inference Protocol that are nearly right, and bytes that are nearly requests, for the real process.

Whatever comes, the answer is no server error and comes in time, and the process neither ends nor grows.
"""

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pb import oip_pb2 as pb
from tests.e2e.conftest import Server
from tests.support import bundles
from tests.support.live_server import unharmed
from tests.support.oip_questions import HEADER, INFER, REST, RPC, Rest, X

EXAMPLES = 250
ANSWER_S = 10.0
STATUSES = {200, 400, 403, 404, 405, 413, 415, 429, 504}
"""504 is the caller's own `timeout`."""
CODES = {
    "OK",
    "INVALID_ARGUMENT",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
}
KEY = f"sluice_fuzz_{os.getpid()}"
BOUNDS = settings(
    max_examples=EXAMPLES,
    deadline=None,  # each call has its own
    derandomize="CI" in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

EDGES = st.sampled_from(
    [-(2**63), -1, 0, 1, 4, 16, 17, 2**16, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
)
LEAVES = (
    st.none()
    | st.booleans()
    | EDGES
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["x", "FP32", "r"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DATATYPES = ("BOOL", "UINT8", "INT16", "INT64", "UINT64", "FP16", "FP32", "FP64", "BF16", "BYTES", "FP31", "")
SHAPES = st.just([1, 4]) | st.lists(EDGES, max_size=9) | st.lists(st.integers(0, 5), max_size=4)
PARAMETERS = {
    "binary_data_size": EDGES | LEAVES,
    "shared_memory_region": st.just("r") | LEAVES,
    "shared_memory_byte_size": st.just(16) | EDGES | LEAVES,
    "shared_memory_offset": EDGES | LEAVES,
    "classification": EDGES | LEAVES,
    "binary_data": LEAVES,
    "timeout": EDGES | LEAVES,
    "priority": EDGES | LEAVES,
    "sequence_id": LEAVES,
    "signature": st.sampled_from(["echo", "default", "multiply"]) | LEAVES,
    "triton_enable_empty_final_response": LEAVES,
}


def some(kinds: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with any of the members."""
    return st.fixed_dictionaries({}, optional=kinds)


TENSOR = some(
    {
        "name": st.sampled_from(["x", "words", "flag"]) | JSON,
        "datatype": st.sampled_from(DATATYPES) | JSON,
        "shape": SHAPES | JSON,
        "data": st.just([1, 2, 3, 4]) | JSON,
        "parameters": some(PARAMETERS) | JSON,
    }
)
OUTPUT = some({"name": st.sampled_from(["y", "same"]) | JSON, "parameters": some(PARAMETERS) | JSON})
DOCUMENT = some(
    {
        "id": JSON,
        "parameters": some(PARAMETERS) | JSON,
        "inputs": st.lists(TENSOR, max_size=3) | JSON,
        "outputs": st.lists(OUTPUT, max_size=3) | JSON,
    }
)
LENGTHS = (
    st.sampled_from(["0", "-1", "+1", "1e3", "", "5 5", "0x10", "9" * 30, "\u0663", "1,2"]) | EDGES.map(str)
).map(lambda text: text.encode("utf-8"))


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes and damage them: a part is cut out, doubled or written over."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        data = (
            data[:start]
            + draw(st.sampled_from([b"", data[start:end] * 2]) | st.binary(max_size=8))
            + data[end:]
        )
    return data


@st.composite
def rest_request(draw: st.DrawFn) -> Rest:
    """Draw a request: an object of made-up members with a tail, or a right one with damaged bytes."""
    headers: dict[str, Any] = {}
    sound = st.sampled_from([each[2] for each in REST.values() if "/infer" in each[1]])
    body = draw(
        DOCUMENT.map(lambda document: json.dumps(document).encode("utf-8", "replace")) | mutated(sound)
    )
    if draw(st.booleans()):
        headers[HEADER] = draw(st.just(str(len(body)).encode()) | LENGTHS)
        body += draw(st.just(X) | st.binary(max_size=40))
    encoding = draw(st.sampled_from(["", "", "", "gzip", "deflate", "br", "gzip, gzip"]))
    if encoding:
        headers["content-encoding"] = encoding
        body = gzip.compress(body, mtime=0) if draw(st.booleans()) else body
    path = draw(
        st.sampled_from([INFER, INFER, "/v2/models/mixed/infer", "/v2/models/mixed/versions/1/infer"])
    )
    return ("POST", path, body, headers)


REGION = some({"key": st.just(f"/{KEY}") | JSON, "offset": EDGES | JSON, "byte_size": EDGES | JSON})


@st.composite
def rpc_request(draw: st.DrawFn) -> bytes:
    """Draw the bytes of a ModelInferRequest: made-up members, or a right one with damaged bytes."""
    if draw(st.booleans()):
        sound = [message.SerializeToString() for name, message, _ in RPC.values() if name == "ModelInfer"]
        return draw(mutated(st.sampled_from(sound)))
    model = draw(st.sampled_from(["multiply", "mixed", ""]))
    request = pb.ModelInferRequest(model_name=model, id=draw(st.text(max_size=4)))
    _fill(draw, request.parameters)
    for _ in range(draw(st.integers(0, 3))):
        given = request.inputs.add(
            name=draw(st.sampled_from(["x", "words", "flag", ""])),
            datatype=draw(st.sampled_from(DATATYPES)),
            shape=[size for size in draw(SHAPES) if size < 2**63],
        )
        _fill(draw, given.parameters)
        given.contents.fp32_contents.extend(draw(st.sampled_from([[], [1.0], [1.0, 2.0, 3.0, 4.0]])))
        given.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=4), max_size=2)))
    for _ in range(draw(st.integers(0, 2))):
        _fill(draw, request.outputs.add(name=draw(st.sampled_from(["y", "same", ""]))).parameters)
    lengths = st.sampled_from([X, b"", b"\xff\xff\xff\xff", b"\1\0\0\0", b"\0\0\0\0" * 4])
    request.raw_input_contents.extend(draw(st.lists(lengths | st.binary(max_size=20), max_size=3)))
    return request.SerializeToString()


def _fill(draw: st.DrawFn, parameters: Any) -> None:
    for name in draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=3, unique=True)):
        value = draw(st.sampled_from(["r", True, 1.5, 0, 16, -1, 2**62, 2**63 - 1, None]))
        kinds = {str: "string_param", bool: "bool_param", float: "double_param", int: "int64_param"}
        found = {} if value is None else {kinds[type(value)]: value}
        parameters[name].CopyFrom(pb.InferParameter(**found))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a region `r` of shared memory."""
    models = tmp_path_factory.mktemp("fuzzed")
    bundles.write_multiply(models)
    bundles.write_mixed(models)
    shared = Path("/dev/shm") / KEY  # noqa: S108  # where POSIX shared memory is
    shared.write_bytes(X + bytes(48))
    flags = ("--oip-shared-memory=true", "--oip-shared-memory-regions=8", "--http-max-body-bytes=1000000")
    try:
        with Server(models, *flags) as server:
            server.wait_until_available("multiply")
            server.wait_until_available("mixed")
            register(server, "r")
            yield server
    finally:
        shared.unlink()


def register(server: Server, name: str) -> None:
    path = f"/v2/systemsharedmemory/region/{name}/register"
    assert server.http.post(path, json={"key": f"/{KEY}", "byte_size": 64}).status_code == 200


@contextmanager
def well(server: Server) -> Iterator[None]:
    """Fail unless the server is as before in the end: alive, no larger, and right."""

    def answer() -> Any:
        x = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
        return server.http.post(INFER, json={"inputs": [x]}).json()

    with unharmed(server.process.pid, answer):
        yield
    assert server.process.poll() is None, server.log()


def test_any_rest_request_is_answered_and_harms_nothing(fuzzed: Server) -> None:
    found: set[int] = set()

    @example(REST["binary out by output"])
    @example(("POST", INFER, b"[" * 300_000, {}))
    @example(("POST", INFER, b'{"inputs":' + b'{"a":' * 60_000, {}))
    @example(("POST", INFER, gzip.compress(bytes(50_000_000)), {"content-encoding": "gzip"}))
    @given(rest_request())
    @BOUNDS
    def ask(request: Rest) -> None:
        method, path, body, headers = request
        answer = fuzzed.http.request(method, path, content=body, headers=headers, timeout=ANSWER_S)
        assert answer.status_code in STATUSES, (answer.status_code, answer.text)
        assert answer.status_code == 200 or list(answer.json()) == ["error"]
        found.add(answer.status_code)

    with well(fuzzed):
        ask()
    assert found >= {200, 400, 413}


def test_any_region_is_registered_or_refused(fuzzed: Server) -> None:
    @given(REGION | JSON, st.sampled_from(["a", "b", "r", "%2e%2e", "%00", "a%0ab", "%F0%9F"]))
    @BOUNDS
    def ask(body: Any, name: str) -> None:
        path = f"/v2/systemsharedmemory/region/{name}"
        content = json.dumps(body).encode("utf-8", "replace")
        for action in ("register", "status", "unregister"):
            if (name, action) == ("r", "unregister"):
                continue
            method = "GET" if action == "status" else "POST"
            answer = fuzzed.http.request(method, f"{path}/{action}", content=content, timeout=ANSWER_S)
            assert answer.status_code in STATUSES, (answer.status_code, answer.text)
            assert answer.status_code == 200 or KEY not in answer.text

    with well(fuzzed):
        ask()
    regions = fuzzed.http.get("/v2/systemsharedmemory/status").json()
    assert [each["name"] for each in regions] == ["r"]


def test_any_message_is_answered_and_harms_nothing(fuzzed: Server) -> None:
    found: set[str] = set()
    ask_for = {
        method: fuzzed.channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        for method in ("ModelInfer", "SystemSharedMemoryRegister", "ModelConfig", "ModelStatistics")
    }

    @example(RPC["infer"][1].SerializeToString(), "ModelInfer")
    @example(b"\x0a" + b"\xff" * 9 + b"\x01", "ModelInfer")
    @given(rpc_request(), st.sampled_from(["ModelInfer"] * 7 + [*ask_for]))
    @BOUNDS
    def ask(message: bytes, method: str) -> None:
        try:
            ask_for[method](message, timeout=ANSWER_S)
            code = "OK"
        except grpc.RpcError as error:
            code = error.code().name
        assert code in CODES, (code, method, message)
        found.add(code)

    with well(fuzzed):
        ask()
    assert found >= {"OK", "INVALID_ARGUMENT"}

"""The Open Inference Protocol against the real process, driven by its official clients."""

import json
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import pytest

from pb import oip_pb2 as pb
from tests.e2e.conftest import ENDLESS_TOKENS, Server
from tests.support import bundles

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("oip")
    bundles.write_classifier(models)
    bundles.write_generator(models)
    bundles.write_multiply(models)
    bundles.write_mixed(models)
    bundles.write_translator(models)
    bundles.write_scorer(models)
    bundles.write_multiply(models, name="broken", fault="missing")
    return models


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with Server(models) as server:
        for name in ("shapes", "letters", "multiply", "mixed", "words", "boxes"):
            server.wait_until_available(name)
        yield server


@pytest.mark.parametrize("client", ["tritonclient_http", "tritonclient_grpc", "kserve_v2"])
def test_the_official_client_works(server: Server, client: str) -> None:
    run_client(server, client, bundles.generated("ab", 20))


def test_tensors_pass_through_shared_memory(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    bundles.write_mixed(tmp_path)
    with Server(tmp_path, "--oip-shared-memory=true") as server:
        server.wait_until_available("multiply")
        server.wait_until_available("mixed")
        run_client(server, "tritonclient_shared_memory")


@pytest.mark.parametrize("client", ["tritonclient_errors", "kserve_errors"])
def test_the_official_client_meets_each_class_of_error(tmp_path: Path, client: str) -> None:
    bundles.write_multiply(tmp_path)
    bundles.write_multiply(tmp_path, name="broken", fault="missing")
    bundles.write_generator(tmp_path, name="endless", max_new_tokens=ENDLESS_TOKENS)
    sizes = ("--http-max-body-bytes=4096", "--grpc-max-message-bytes=4096")
    with Server(tmp_path, *sizes, "--limits-max-in-flight=1", "--engine-slots=1") as server:
        server.wait_until_available("multiply")
        server.wait_until_available("endless")
        run_client(server, client)
        server.wait_for(lambda: server.metric("sluice_slots_in_use") == 0)


def run_client(server: Server, client: str, *arguments: str) -> None:
    ports = [str(server.ports["http_port"]), str(server.ports["grpc_port"])]
    done = subprocess.run(
        [str(PYTHON), str(ROOT / "tests" / "clients" / f"{client}.py"), *ports, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{server.log()}"


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("shapes", {"image": np.linspace(0, 1, 48, dtype=np.float32).reshape(3, 4, 4, 1)}),
        ("boxes", {"features": np.array([[1, 2, 3], [9, 2, 3]], np.float32)}),
        ("words", {"source": np.array([[4, 5, 3]], np.int32)}),
        (
            "letters",
            {
                "ids": np.array([[1, 2, 3]], np.int32),
                "lengths": np.array([3], np.int32),
                "h": np.zeros((1, 1), np.float32),
                "c": np.zeros((1, 1), np.float32),
            },
        ),
        ("multiply", {"x": np.random.default_rng(5).normal(size=(7, 4)).astype(np.float32)}),
    ],
)
def test_every_word_answers_bit_for_bit_as_its_graph(
    server: Server, models: Path, name: str, inputs: dict[str, np.ndarray]
) -> None:
    session = onnxruntime.InferenceSession(models / name / "1" / "model.onnx")
    names = [each.name for each in session.get_outputs()]
    expected = dict(zip(names, session.run(names, inputs), strict=True))
    tensors = [
        {
            "name": key,
            "shape": list(value.shape),
            "datatype": {"float32": "FP32", "int32": "INT32"}[value.dtype.name],
            "parameters": {"binary_data_size": value.nbytes},
        }
        for key, value in inputs.items()
    ]
    header = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    response = server.http.post(
        f"/v2/models/{name}/infer",
        content=header + b"".join(value.tobytes() for value in inputs.values()),
        headers={"inference-header-content-length": str(len(header))},
    )
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    rest = response.content[length:]
    for output in orjson.loads(response.content[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        assert rest[:size] == expected[output["name"]].tobytes()
        rest = rest[size:]
    assert rest == b""


def test_a_generator_continues_text_at_once_and_as_events(server: Server) -> None:
    expected = bundles.generated("ab", 20)
    body = {"text_input": "ab", "parameters": {"max_tokens": 20, "temperature": 0}}
    whole = server.http.post("/v2/models/letters/generate", json=body).json()
    assert whole == {
        "model_name": "letters",
        "model_version": "1",
        "text_output": expected,
        "finish_reason": "length",
    }
    with server.http.stream("POST", "/v2/models/letters/versions/1/generate_stream", json=body) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    assert "".join(event["text_output"] for event in events) == expected
    assert len(events) > 1
    assert events[-1]["finish_reason"] == "length"
    refused = server.http.post("/v2/models/multiply/generate_stream", json={"text_input": "ab"})
    assert refused.status_code == 501
    assert "does predict, not generate" in refused.json()["error"]


def test_an_open_stream_does_not_hold_up_the_shutdown(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    with Server(tmp_path) as server:
        server.wait_until_available("multiply")
        method = server.channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        end = threading.Event()

        def requests() -> Iterator[pb.ModelInferRequest]:
            x = np.ones((1, 4), np.float32)
            request = pb.ModelInferRequest(model_name="multiply", raw_input_contents=[x.tobytes()])
            request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
            yield request
            end.wait(20)

        call = method(requests(), timeout=20)
        assert next(call).infer_response.model_name == "multiply"
        assert server.stop() == 0
        end.set()
        assert call.code().name == "UNAVAILABLE"


NESTED = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":' + b"[" * 900 + b"]" * 900 + b"}]}"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[" * 100_000, {}, 400),
        (NESTED, {}, 400),
        (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,1e999]}]}', {}, 400),
        (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[18446744073709551615],"data":[]}]}', {}, 400),
        (b"{}" + bytes(16), {"inference-header-content-length": "2"}, 400),
        (b"{}", {"inference-header-content-length": "3"}, 400),
        (b"{}", {"content-encoding": "deflate"}, 400),
        (b"{}", {"content-encoding": "zstd"}, 415),
        (zlib.compress(bytes(200 * 2**20), 9), {"content-encoding": "deflate"}, 413),
        (bytes(15), {"inference-header-content-length": "0"}, 400),
    ],
)
def test_bad_input_is_refused_and_harms_nobody(
    server: Server, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = server.http.post("/v2/models/multiply/infer", content=content, headers=headers)
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    x = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [[1, 2, 3, 4]]}
    after = server.http.post("/v2/models/multiply/infer", json={"inputs": [x]}).json()
    assert after["outputs"][0]["data"] == [2, 4, 6, 8]


def test_a_timeout_that_passes_is_an_error_of_its_own(server: Server) -> None:
    body = {"text_input": "ab", "max_tokens": 64, "timeout": 1}
    for action in ("generate", "generate_stream"):
        response = server.http.post(f"/v2/models/letters/{action}", json=body)
        assert response.status_code == 504
        assert "deadline" in response.json()["error"]
    x = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    late = server.http.post("/v2/models/multiply/infer", json={"inputs": [x], "parameters": {"timeout": 1}})
    assert late.status_code == 504
    header = {"x-request-timeout-ms": "0"}
    assert (
        server.http.post("/v2/models/multiply/infer", json={"inputs": [x]}, headers=header).status_code == 504
    )

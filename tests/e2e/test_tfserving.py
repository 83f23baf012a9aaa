"""The real process, driven by TensorFlow Serving's own client in a process and an environment of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
import pytest

from pb import tensorflow_pb2 as tf
from pb import tfserving_pb2 as pb
from service.protocols.tfserving import tensors
from tests.e2e.conftest import Server
from tests.support import bundles

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    bundles.write_multiply(directory)
    bundles.write_mixed(directory)
    bundles.write_feature_classifier(directory)
    bundles.write_scorer(directory)
    bundles.write_classifier(directory)
    return directory


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with Server(models) as server:
        for name in ("multiply", "mixed", "rows", "boxes", "shapes"):
            server.wait_until_available(name)
        yield server


@pytest.mark.slow
def test_the_official_client_works_unchanged(server: Server) -> None:
    ports = (str(server.ports["http_port"]), str(server.ports["grpc_port"]))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "clients" / "tfserving.py", *ports],
        capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_both_forms_give_the_numbers_of_a_bare_run(server: Server, models: Path) -> None:
    session = onnxruntime.InferenceSession(
        models / "shapes" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(2).random((3, 4, 4, 1), np.float32)
    (expected,) = session.run(["probabilities"], {"image": image})
    by_row = server.http.post("/v1/models/shapes:predict", json={"instances": image.tolist()}).json()
    by_column = server.http.post("/v1/models/shapes:predict", json={"inputs": image.tolist()}).json()
    for answer in (by_row["predictions"], by_column["outputs"]):
        assert np.array(answer, np.float32).tobytes() == expected.tobytes()
    assert tensors.decode(tensors.encode(expected), "y").tobytes() == expected.tobytes()


def test_a_body_of_many_wrong_elements_is_refused_quickly(server: Server) -> None:
    body = b'{"instances": [' + b",".join([b"[1,2,3,4]"] * 200_000) + b', [1,2,3,"a"]]}'
    response = server.http.post("/v1/models/multiply:predict", content=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Failed to process element: 200000 of 'instances' list.")


DEEP = b"[" * 900 + b"]" * 900
VALUES = (
    b"1", b"null", b"NaN", b"1e400", b"[]", b"[[]]", b"[[[]]]", b"[[1,2,3,4]]", b"[[1,2,3]]", b"[[],[1]]", DEEP,
    b'"\\ud800"', b'["\\u0000"]', b'[{"b64":"/w=="}]', b'{"b64":"x"}', b"{}", b'[{"x":[1,2,3,4]}]', b'{"x":null}',
    b'[{"count":1,"flag":true,"half":1}]', b'{"count":[[1,2]],"flag":[[true]],"half":[[1]]}', b"1" * 4000, b"[true]",
    b'["a",["b"]]', b'[{"words":"a"}]', b'{"words":[]}', b"[-1e-400]", b"\xff", b'{"x":1,"x":2}',
)  # fmt: skip


@pytest.mark.parametrize("key", [b"instances", b"inputs", b"examples"])
@pytest.mark.parametrize("model", ["multiply", "mixed", "rows", "boxes"])
def test_no_body_breaks_the_server(server: Server, key: bytes, model: str) -> None:
    for value in VALUES:
        for tail in (b"}", b',"signature_name":"echo"}', b',"signature_name":null}', b',"context":[]}', b"]"):
            for verb in ("predict", "classify", "regress"):
                body = b'{"%b":%b%b' % (key, value, tail)
                response = server.http.post(f"/v1/models/{model}:{verb}", content=body)
                assert response.status_code in {200, 400}, (body, response.text)
                if response.status_code == 400:
                    assert list(response.json()) == ["error"]


@pytest.mark.parametrize(
    "shape", [(), (0,), (0, 4), (1, 4), (1, 3), (2**20, 4), (2**40,), (-1, 4), (1,) * 40]
)
def test_no_tensor_breaks_the_server(server: Server, shape: tuple[int, ...]) -> None:
    dims = [tf.TensorShapeProto.Dim(size=size) for size in shape]
    predict = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    for dtype in (0, 1, 2, 7, 9, 14, 101):
        for content in (b"", b"\x00", b"\x00" * 16):
            tensor = tf.TensorProto(
                dtype=dtype, tensor_shape=tf.TensorShapeProto(dim=dims), tensor_content=content
            )
            for name, key in (("multiply", "x"), ("mixed", "words")):
                request = pb.PredictRequest(model_spec=pb.ModelSpec(name=name), inputs={key: tensor})
                if name == "mixed":
                    request.model_spec.signature_name = "echo"
                try:
                    predict(request.SerializeToString(), timeout=20)
                except grpc.RpcError as error:
                    assert error.code().name in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}, error  # noqa: PT017  # which of many fail is not the point

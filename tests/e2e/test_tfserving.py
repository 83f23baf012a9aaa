"""The real process, driven by TensorFlow Serving's own client in a process and an environment of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

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

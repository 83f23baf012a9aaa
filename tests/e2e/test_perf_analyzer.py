"""Triton's perf_analyzer against the real process: it reads configuration and statistics, and gives up if they are odd."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Server
from tests.support import bundles
from tests.support.triton import ENVIRONMENT

pytestmark = pytest.mark.slow

LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""What perf_analyzer wants, and what it is called in the wheel of the Triton server."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = tmp_path_factory.mktemp("models")
    bundles.write_multiply(models)
    bundles.write_mixed(models)
    with Server(models, "--oip-shared-memory=true", "--oip-shared-memory-prefix=") as server:
        server.wait_until_available("multiply")
        server.wait_until_available("mixed")
        yield server


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("libraries")
    (bundled,) = ENVIRONMENT.glob("lib/python3.*/site-packages/nvidia_pytriton.libs")
    for name, pattern in LIBRARIES.items():
        (found,) = bundled.glob(pattern)
        (directory / name).symlink_to(found)
    return directory


@pytest.mark.parametrize(
    ("protocol", "model", "options"),
    [
        ("http", "multiply", []),
        ("http", "multiply", ["--shared-memory", "system"]),
        ("grpc", "multiply", ["--shared-memory", "system", "-b", "4"]),
        ("grpc", "mixed", ["--streaming"]),
    ],
)
def test_it_measures(server: Server, libraries: Path, protocol: str, model: str, options: list[str]) -> None:
    command = [str(ENVIRONMENT / "bin" / "perf_analyzer"), "-m", model, "-i", protocol, *options]
    command += ["-u", f"127.0.0.1:{server.ports[f'{protocol}_port']}"]
    command += ["--measurement-interval", "200", "--stability-percentage", "999"]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = f"{done.stdout}{done.stderr}"
    assert done.returncode == 0, f"{told}\n{server.log()}"
    assert "Inferences/Second vs. Client Average Batch Latency" in told
    assert "Unable" not in told
    assert server.http.get("/v2/systemsharedmemory/status").json() == []

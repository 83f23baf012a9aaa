"""A real Triton server in a process of its own, over models of its Python back end.

The server is that of nvidia-pytriton's wheel, in `.venv-triton`; the wheel has no ONNX back end. Each model has the
signature, the name and the numbers of one of `tests.support.bundles`.
"""

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Self

import httpx

ENVIRONMENT = Path(__file__).parents[2] / ".venv-triton"
READY_WITHIN_S = 60.0

MULTIPLY = (
    "multiply",
    'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }] output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]',
    '[tensor("y", array("x") * np.float32(2))]',
)
MIXED = (
    "mixed",
    """input [
      { name: "count" data_type: TYPE_INT64 dims: [2] }, { name: "flag" data_type: TYPE_BOOL dims: [2] },
      { name: "half" data_type: TYPE_FP16 dims: [2] }
    ] output [
      { name: "doubled" data_type: TYPE_INT64 dims: [2] }, { name: "inverted" data_type: TYPE_BOOL dims: [2] },
      { name: "halves" data_type: TYPE_FP16 dims: [2] }
    ]""",
    """[
                tensor("doubled", array("count") * 2),
                tensor("inverted", ~array("flag")),
                tensor("halves", array("half") * np.float16(2)),
            ]""",
)
CODE = """
import numpy as np
import triton_python_backend_utils as utils


def tensor(name, values):
    return utils.Tensor(name, values)


class TritonPythonModel:
    def execute(self, requests):
        def answer(request):
            def array(name):
                return utils.get_input_tensor_by_name(request, name).as_numpy()

            return utils.InferenceResponse({outputs})

        return [answer(request) for request in requests]
"""


def write_models(directory: Path) -> Path:
    """Write `multiply` and `mixed` in Triton's layout."""
    for name, tensors, outputs in (MULTIPLY, MIXED):
        place = directory / name / "1"
        place.mkdir(parents=True)
        kind = "instance_group [{ count: 1 kind: KIND_CPU }]"
        config = f'backend: "python" max_batch_size: 64 dynamic_batching {{}} {kind} {tensors}'
        (directory / name / "config.pbtxt").write_text(config)
        (place / "model.py").write_text(CODE.replace("{outputs}", outputs))
    return directory


class Triton:
    """A running server on two free ports."""

    def __init__(self, home: Path, http_port: int, grpc_port: int) -> None:
        (packages,) = ENVIRONMENT.glob("lib/python3.*/site-packages")
        python = packages.parent.name.removeprefix("python")
        server = packages / "pytriton" / "tritonserver"
        backend = home / "backends" / "python"
        shutil.copytree(server / "backends" / "python", backend)
        shutil.copy(server / "python_backend_stubs" / python / "triton_python_backend_stub", backend)
        self._output = home / "triton.log"
        self.ports = {"http_port": http_port, "grpc_port": grpc_port}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", timeout=20)
        self._command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={write_models(home / 'models')}",
            f"--backend-directory={backend.parent}",
            f"--http-port={http_port}",
            f"--grpc-port={grpc_port}",
            "--http-address=127.0.0.1",
            "--grpc-address=127.0.0.1",
            "--allow-metrics=false",
        ]
        path = f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"
        self._environment = {
            **os.environ,
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
            "PATH": path,
        }

    def __enter__(self) -> Self:
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output
            )
        pause = threading.Event()
        for _ in range(int(READY_WITHIN_S / 0.1)):
            assert self.process.poll() is None, self._output.read_text()
            try:
                if self.http.get("/v2/health/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            pause.wait(0.1)
        self.__exit__()
        raise AssertionError(self._output.read_text())

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

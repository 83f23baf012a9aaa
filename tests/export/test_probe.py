import os
import signal
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export import golden
from export.errors import ProbeError
from export.probe import probe


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A graph that answers y = x + x."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        tmp_path / "model.onnx",
    )
    return tmp_path / "model.onnx"


def request(tmp_path: Path, width: int = 2) -> Path:
    """A golden request of three rows."""
    golden.write(tmp_path / "golden.npz", {"x": np.ones((3, width), np.float32)}, {})
    return tmp_path / "golden.npz"


def test_a_graph_that_loads_and_runs_passes(doubling: Path, tmp_path: Path) -> None:
    probe(doubling, request(tmp_path))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ProbeError, match=r"model\.onnx does not load and run: .*Protobuf"):
        probe(tmp_path / "model.onnx", request(tmp_path))


def test_a_graph_that_cannot_take_its_golden_request_is_refused(doubling: Path, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"model\.onnx does not load and run"):
        probe(doubling, request(tmp_path, width=3))


def test_a_graph_that_crashes_the_runtime_harms_only_its_own_process(tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text(f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    with pytest.raises(ProbeError, match=r"crashed the runtime \(SIGSEGV\)"):
        probe(tmp_path / "model.onnx", request(tmp_path), script=crash)


def test_a_graph_that_never_answers_is_refused_and_its_process_ended(tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(
        "import os, pathlib, sys; pathlib.Path(sys.argv[1] + '.pid').write_text(str(os.getpid()))\n"
    )
    with endless.open("a") as file:
        file.write("import threading; threading.Event().wait()")
    with pytest.raises(ProbeError, match="did not load and run within 2 s"):
        probe(tmp_path / "model.onnx", request(tmp_path), timeout_s=2.0, script=endless)
    pid = int((tmp_path / "model.onnx.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_probe_needs_neither_tensorflow_nor_this_package() -> None:
    import subprocess

    import export.probe

    loaded = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", export.probe.__file__, "nothing", "nothing"],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    assert "onnxruntime" in loaded
    assert "tensorflow" not in loaded
    assert "export." not in loaded.replace("export.probe", "")

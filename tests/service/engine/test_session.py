"""Opening graphs in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from service.engine import session as module
from service.engine.contracts import GraphTensor
from service.engine.session import Placement, SessionError, open_session, usable_cores
from tests.support.bundles import write_bare_onnx

CPU = Placement("cpu")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_bare_onnx(tmp_path, factor=2.0) / "model.onnx"


def test_a_graph_tells_its_inputs_and_outputs_and_runs(graph: Path) -> None:
    session = open_session(graph, CPU)
    (name, described), *_ = session.inputs.items()
    (output, _), *_ = session.outputs.items()
    assert described == GraphTensor("float32", ("batch", *described.shape[1:]))
    feeds = {name: np.ones((3, *described.shape[1:]), np.float32)}
    assert session.run(feeds, [output])[0].tolist() == (feeds[name] * 2).tolist()
    assert session.providers == ("CPUExecutionProvider",)


def test_a_truncated_graph_is_refused_without_telling_where_it_lies(graph: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:-20])
    with pytest.raises(SessionError, match=r"'model\.onnx' cannot be loaded") as caught:
        open_session(graph, CPU)
    assert str(graph.parent) not in str(caught.value)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this runtime has CUDA"
)
def test_cuda_on_a_runtime_without_it_is_an_error_and_not_a_silent_fallback(graph: Path) -> None:
    with pytest.raises(SessionError, match="built without CUDA"):
        open_session(graph, Placement("cuda"))


def test_a_runtime_that_falls_back_to_the_cpu_is_found_out(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With CUDA compiled in but its libraries missing, the runtime only warns."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, cpu])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options, providers=[cpu])
    )
    with pytest.raises(SessionError, match="fell back to the CPU"):
        open_session(graph, Placement("auto"))


def test_a_cgroup_quota_cuts_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(module, "_CPU_QUOTA", quota)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, cores in [("150000 100000", 1), ("400000 100000", 4), ("max 100000", 8), ("20000 100000", 1)]:
        quota.write_text(text)
        assert usable_cores() == cores
    quota.unlink()
    monkeypatch.setattr(module, "_CPU_QUOTA_V1", tmp_path / "cpu.cfs_quota_us")
    assert usable_cores() == 8


def test_a_cgroup_of_the_first_version_cuts_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(module, "_CPU_QUOTA_V1", tmp_path / "cpu.cfs_quota_us")
    monkeypatch.setattr(module, "_CPU_PERIOD_V1", tmp_path / "cpu.cfs_period_us")
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    for text, cores in [("250000\n", 2), ("-1\n", 8)]:
        (tmp_path / "cpu.cfs_quota_us").write_text(text)
        assert usable_cores() == cores

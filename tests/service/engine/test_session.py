"""Opening graphs in ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from service.engine import session as module
from service.engine.contracts import GraphTensor
from service.engine.cores import BusyCores, RunCores
from service.engine.device import NOT_RECORDED, Resident
from service.engine.session import OnnxSession, Placement, SessionError, open_session
from tests.support.bundles import write_bare_onnx
from tests.support.fake_device import FakeMemory

CPU = Placement("cpu")
CUDA_PROVIDER, CPU_PROVIDER = "CUDAExecutionProvider", "CPUExecutionProvider"


class Bindings:
    """An IO binding that remembers what is bound, with its device."""

    def __init__(self) -> None:
        self.bound: dict[str, tuple[object, ...]] = {}

    def bind_cpu_input(self, name: str, _: object) -> None:
        self.bound[name] = ("sent",)

    def bind_input(self, name: str, *placed: object) -> None:
        self.bound[name] = placed

    def bind_output(self, name: str, *placed: object) -> None:
        self.bound[name] = placed

    def get_outputs(self) -> list[None]:
        return [None]


class Cuda:
    """The runtime's session as it would be with CUDA: remembers providers, bindings and each run's graph id."""

    def __init__(self, providers: Sequence[object]) -> None:
        self.asked = list(providers)
        self.bindings: list[Bindings] = []
        self.graph_ids: list[str | None] = []
        self.released: list[int] = []

    def get_providers(self) -> list[str]:
        return [CUDA_PROVIDER, CPU_PROVIDER]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {each[0]: each[1] for each in self.asked if isinstance(each, tuple)}

    def get_inputs(self) -> list[object]:
        return []

    get_outputs = get_inputs

    def io_binding(self) -> Bindings:
        self.bindings.append(Bindings())
        return self.bindings[-1]

    def run(self, _: object, __: object, options: onnxruntime.RunOptions | None) -> list[object]:
        self.graph_ids.append(options and options.get_run_config_entry("gpu_graph_id"))
        return []

    def run_with_iobinding(self, _: object, options: onnxruntime.RunOptions | None) -> None:
        self.run(None, None, options)

    def release_captured_graph(self, graph_id: int) -> None:
        self.released.append(graph_id)


@pytest.fixture
def opened_on_cuda(monkeypatch: pytest.MonkeyPatch) -> list[list[object]]:
    """The providers that each session was asked for, on a runtime that has CUDA."""
    asked: list[list[object]] = []

    def opened(_: object, __: object, providers: list[object]) -> Cuda:
        asked.append(providers)
        return Cuda(providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    return asked


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


def test_where_a_graphs_links_lead_is_not_told(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise RuntimeError(
            'External data path for /model/dense/W: resolved path: "/srv/secret/x.bin" is outside'
        )

    monkeypatch.setattr(onnxruntime, "InferenceSession", refusing)
    with pytest.raises(SessionError) as caught:
        open_session(graph, CPU)
    assert "/srv" not in str(caught.value)
    assert '/model/dense/W: resolved path: "x.bin"' in str(caught.value)


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


def test_a_run_takes_its_cores_while_it_lasts() -> None:
    busy = BusyCores()
    taken: list[int] = []

    class Runtime(Cuda):
        def run(self, _: object, __: object, options: onnxruntime.RunOptions | None) -> list[object]:
            taken.append(busy.count)
            raise ArithmeticError

    session = OnnxSession(Runtime([]), cores=RunCores(busy, 8, 3))
    with pytest.raises(ArithmeticError):
        session.run({}, [])
    with pytest.raises(ArithmeticError):
        session.bind({}, {})()
    assert taken == [3, 3]
    assert busy.count == 0


@pytest.mark.parametrize(("threads", "abreast"), [(0, 1), (1, 8), (3, 2), (16, 1)])
def test_runs_abreast_are_as_many_as_have_cores_for_their_threads(
    graph: Path, monkeypatch: pytest.MonkeyPatch, threads: int, abreast: int
) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    assert open_session(graph, Placement("cpu", threads)).abreast() == abreast


def test_only_a_session_that_is_to_record_asks_for_graphs(graph: Path, opened_on_cuda: list[object]) -> None:
    plain, recording = (open_session(graph, Placement("auto", records=records)) for records in (False, True))
    assert opened_on_cuda == [
        [CUDA_PROVIDER, CPU_PROVIDER],
        [(CUDA_PROVIDER, {"enable_cuda_graph": "1"}), CPU_PROVIDER],
    ]
    assert (plain.resident, plain.records) == (True, False)
    assert (recording.resident, recording.records) == (True, True)


@pytest.mark.usefixtures("opened_on_cuda")
def test_a_graph_that_cannot_be_recorded_is_opened_without(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(_: object, __: object, providers: list[object]) -> Cuda:
        if providers[0] != CUDA_PROVIDER:
            raise RuntimeError("the model has control flow nodes")
        return Cuda(providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", refusing)
    session = open_session(graph, Placement("auto", records=True))
    assert (session.resident, session.records) == (True, False)


@pytest.mark.usefixtures("opened_on_cuda")
def test_a_runtime_that_quietly_left_the_option_out_does_not_record(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *_, providers: Cuda([CUDA_PROVIDER, *providers[1:]])
    )
    assert not open_session(graph, Placement("auto", records=True)).records


def resident(*shape: int) -> Resident:
    return Resident(FakeMemory(shape, "float32"), shape, "float32")


def test_where_runs_can_be_recorded_each_says_whether_it_is() -> None:
    runtime = Cuda([])
    session = OnnxSession(runtime, resident=True, records=True)
    tensor = resident(2, 3)
    session.run({}, [])
    session.run_bound({"x": tensor}, {"y": tensor})
    session.run_bound({"x": tensor}, {"y": tensor}, 5)
    assert runtime.graph_ids == ["-1", "-1", "5"]
    session.forget(5)
    session.forget(NOT_RECORDED)
    assert runtime.released == [5]


def test_where_runs_cannot_be_recorded_nothing_is_said_of_it() -> None:
    runtime = Cuda([])
    session = OnnxSession(runtime, resident=True)
    session.run_bound({}, {"y": resident(1, 1)})
    session.forget(1)
    assert (runtime.graph_ids, runtime.released) == ([None], [])


def test_what_stays_is_bound_by_its_address_on_the_device() -> None:
    runtime = Cuda([])
    block, made = resident(8, 3), resident(2, 3)
    feeds = {"past": block.rows(4, 2), "ids": np.zeros((2, 1), np.int64)}
    found = OnnxSession(runtime, resident=True).run_bound(feeds, {"new": made})
    (binding,) = runtime.bindings
    float32 = np.dtype("float32")
    assert binding.bound == {
        "past": ("cuda", 0, float32, (2, 3), block.address + 4 * 12),
        "ids": ("sent",),
        "new": ("cuda", 0, float32, (2, 3), made.address),
    }
    assert found == {"new": made}


def test_the_runtimes_copy_of_a_tensor_that_it_made_is_found(graph: Path) -> None:
    session = open_session(graph, CPU)
    (name, described), *_ = session.inputs.items()
    (output, _), *_ = session.outputs.items()
    array = np.ones((2, *described.shape[1:]), np.float32)
    made = session.run_bound({name: array}, {output: None})[output]
    assert made.dtype == "float32"
    assert made.numpy().tolist() == (array * 2).tolist()

"""Open an ONNX graph in ONNX Runtime and run it; the only module that imports the runtime.

Knows providers and threads. Knows nothing of batches, models or callers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from service.domain import Array, Tensors
from service.engine import lines
from service.engine.contracts import GraphTensor
from service.engine.cores import BusyCores, RunCores, usable_cores
from service.engine.device import NOT_RECORDED, Resident

_DTYPES = {
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_CPU_DEVICE = "cpu"
_SPIN_US = "100"
"""For so long a worker thread waits awake for the next part of a run."""
_BUSY = BusyCores()
_ON_DEVICE = RunCores(BusyCores(), 1, 1)
"""For runs that leave the cores alone."""
_Provider = str | tuple[str, dict[str, str]]


class SessionError(Exception):
    """A graph cannot be opened, or cannot run where it was told to."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a session runs: `device` `auto` takes CUDA if the runtime has it, and `threads` CPU threads.

    `threads` 0 leaves one core of those this process may use to the event loop. On CUDA, one that `records` can
    replay its runs as CUDA graphs, if all of its graph runs there.
    """

    device: str = "auto"
    threads: int = 0
    records: bool = False


class OnnxSession:
    """One loaded graph (`contracts.Session`). Releases the interpreter lock while it runs; ONNX Runtime allows
    concurrent runs of one session.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        *,
        cores: RunCores = _ON_DEVICE,
        resident: bool = False,
        records: bool = False,
    ) -> None:
        self._session = session
        self._cores = cores
        self.resident = resident
        self.records = records
        self._device = "cuda" if _CUDA in session.get_providers() else "cpu"
        self._copiers: dict[tuple[int, int], onnxruntime.InferenceSession] = {}
        self.inputs: Mapping[str, GraphTensor] = {node.name: _describe(node) for node in session.get_inputs()}
        self.outputs: Mapping[str, GraphTensor] = {
            node.name: _describe(node) for node in session.get_outputs()
        }

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, the preferred one first."""
        return tuple(self._session.get_providers())

    def abreast(self, spare: int = 0) -> int:
        """Return how many runs the cores carry now (`contracts.BindingSession`)."""
        return self._cores.abreast(spare)

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once; raises what ONNX Runtime raises."""
        with self._cores:
            results: list[Array] = self._session.run(outputs, feeds, self._options(NOT_RECORDED))
        return results

    def bind(self, feeds: Tensors, outputs: Tensors) -> Callable[[], None]:
        """Return a run bound to arrays (`contracts.BindingSession`)."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for name, array in outputs.items():
            binding.bind_output(name, _CPU_DEVICE, 0, array.dtype, array.shape, array.ctypes.data)
        options, kept = self._options(NOT_RECORDED), (feeds, outputs)

        def run() -> None:
            assert kept, "the arrays live as long as the run"
            with self._cores:
                self._session.run_with_iobinding(binding, options)

        return run

    def allocate(self, shape: Sequence[int], dtype: str) -> Resident:
        """Return a new tensor of zeros (`device.DeviceSession`).

        The memory is of an allocator of the runtime's Python interface, not of the session's arena.
        """
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.dtype(dtype), self._device)
        resident = _resident(value)
        if resident.nbytes:
            resident.memory.write(np.zeros(shape, dtype))
        return resident

    def run_bound(
        self,
        feeds: Mapping[str, Array | Resident],
        results: Mapping[str, Resident | None],
        graph_id: int = NOT_RECORDED,
    ) -> dict[str, Resident]:
        """Run once on tensors of the device (`device.DeviceSession`)."""
        binding = self._session.io_binding()
        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in feeds.items()
            if not isinstance(value, Resident)
        }
        for name, value in feeds.items():
            if isinstance(value, Resident):
                binding.bind_input(name, self._device, 0, *_placed(value))
            else:
                binding.bind_cpu_input(name, arrays[name])
        for name, result in results.items():
            if result is None:
                binding.bind_output(name, self._device)
            else:
                binding.bind_output(name, self._device, 0, *_placed(result))
        self._session.run_with_iobinding(binding, self._options(graph_id))
        made = dict(zip(results, binding.get_outputs(), strict=True))
        return {name: result or _resident(made[name]) for name, result in results.items()}

    def forget(self, graph_id: int) -> None:
        """Let go of a recorded run (`device.DeviceSession`)."""
        if self.records and graph_id != NOT_RECORDED:
            self._session.release_captured_graph(graph_id)

    def write_lines(self, pairs: Sequence[tuple[Resident, Resident]], source: Array, target: Array) -> None:
        """Write lines of tensors to lines of others, in place (`device.DeviceSession`)."""
        copier = self._copier(len(pairs), np.dtype(pairs[0][0].dtype).itemsize)
        binding = copier.io_binding()
        binding.bind_cpu_input("source", source)
        column = target[:, None]
        binding.bind_cpu_input("target", column)
        for number, (table, rows) in enumerate(pairs):
            binding.bind_input(f"table.{number}", self._device, 0, *_placed(table))
            binding.bind_input(f"rows.{number}", self._device, 0, *_placed(rows))
            binding.bind_output(f"written.{number}", self._device, 0, *_placed(table))
        copier.run_with_iobinding(binding)

    def _copier(self, pairs: int, element_bytes: int) -> onnxruntime.InferenceSession:
        found = self._copiers.get((pairs, element_bytes))
        if found is None:
            providers = [_CUDA, _CPU] if self._device == "cuda" else [_CPU]
            model = lines.copier(pairs, element_bytes)
            found = onnxruntime.InferenceSession(model, _session_options(1), providers=providers)
            self._copiers[pairs, element_bytes] = found
        return found

    def _options(self, graph_id: int) -> onnxruntime.RunOptions | None:
        """Return the options of a run. Where runs can be recorded, each must be told not to be."""
        if not self.records:
            return None
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(graph_id))
        return options


class _OrtMemory:
    """A `device.Memory` that the runtime owns."""

    def __init__(self, value: onnxruntime.OrtValue) -> None:
        self._value = value
        self.address: int = value.data_ptr()
        self.nbytes: int = value.tensor_size_in_bytes()

    def write(self, array: Array) -> None:
        self._value.update_inplace(array)

    def numpy(self) -> Array:
        array: Array = np.array(self._value.numpy())
        return array


def _resident(value: onnxruntime.OrtValue) -> Resident:
    return Resident(_OrtMemory(value), tuple(value.shape()), _DTYPES[value.data_type()])


def _placed(tensor: Resident) -> tuple[np.dtype, tuple[int, ...], int]:
    return np.dtype(tensor.dtype), tensor.shape, tensor.checked().address


def open_session(path: Path, placement: Placement) -> OnnxSession:
    """Load the graph at `path`; raises SessionError with a reason that names no path."""
    providers = _providers(placement.device)
    usable = usable_cores()
    threads = placement.threads or max(1, usable - 1)
    options = _session_options(threads)
    if placement.records and providers[0] == _CUDA:
        recording: list[_Provider] = [(_CUDA, {"enable_cuda_graph": "1"}), _CPU]
        # The runtime refuses a graph with control flow, or of which a part runs on the CPU: it runs without.
        with suppress(SessionError):
            session = _opened(path, options, recording)
            return OnnxSession(session, resident=True, records=_records(session))
    session = _opened(path, options, providers)
    if _CUDA in session.get_providers():
        return OnnxSession(session, resident=True)
    return OnnxSession(session, cores=RunCores(_BUSY, usable, threads))


def _opened(
    path: Path, options: onnxruntime.SessionOptions, providers: Sequence[_Provider]
) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:
        reason = str(error).replace(str(path), path.name).replace(str(path.parent), "")
        # The runtime tells where links lead, too; names of nodes, which also begin with a slash, are not in quotes.
        reason = re.sub(r'"/[^"]*/([^"/]*)"', r'"\1"', reason)
        raise SessionError(f"'{path.name}' cannot be loaded: {reason}") from error
    if providers[0] != _CPU and _CUDA not in session.get_providers():
        raise SessionError(f"'{path.name}' was to run on CUDA, but the runtime fell back to the CPU")
    return session


def _records(session: onnxruntime.InferenceSession) -> bool:
    # The runtime's Python interface may have tried again without the option, and only said so.
    options: Mapping[str, Mapping[str, str]] = session.get_provider_options()
    return options.get(_CUDA, {}).get("enable_cuda_graph") == "1"


def _session_options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Workers that spin from one run to the next would take the core that the event loop needs; ones that sleep within
    # a run make a small graph as slow as with one thread.
    options.add_session_config_entry("session.intra_op.spin_duration_us", _SPIN_US)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _providers(device: str) -> list[str]:
    available = onnxruntime.get_available_providers()
    if device == "cpu" or (device == "auto" and _CUDA not in available):
        return [_CPU]
    if _CUDA not in available:
        raise SessionError("device 'cuda' was asked for, but this ONNX Runtime is built without CUDA")
    onnxruntime.preload_dlls()
    return [_CUDA, _CPU]


def _describe(node: onnxruntime.NodeArg) -> GraphTensor:
    return GraphTensor(dtype=_DTYPES.get(node.type, node.type), shape=tuple(node.shape))

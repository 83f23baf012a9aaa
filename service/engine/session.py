"""Open an ONNX graph in ONNX Runtime and run it; the only module that imports the runtime.

Knows providers and threads. Knows nothing of batches, models or callers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from service.domain import Array, Tensors
from service.engine.contracts import GraphTensor, Held

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
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_CPU_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CPU_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


class SessionError(Exception):
    """A graph cannot be opened, or cannot run where it was told to."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a session runs: `device` `auto` takes CUDA if the runtime has it, and `threads` CPU threads.

    `threads` 0 leaves one core of those this process may use to the event loop.
    """

    device: str = "auto"
    threads: int = 0


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, cut by the cgroup's CPU quota (v2, or v1)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    for files in ((_CPU_QUOTA,), (_CPU_QUOTA_V1, _CPU_PERIOD_V1)):
        try:
            quota, period = " ".join(path.read_text(encoding="ascii") for path in files).split()
        except (OSError, ValueError):
            continue
        return cores if quota in ("max", "-1") else max(1, min(cores, int(quota) // int(period)))
    return cores


class OnnxSession:
    """One loaded graph (`contracts.Session`). Releases the interpreter lock while it runs; ONNX Runtime allows
    concurrent runs of one session.
    """

    def __init__(self, session: onnxruntime.InferenceSession, *, holds: bool = False) -> None:
        self._session = session
        self.holds = holds
        self.inputs: Mapping[str, GraphTensor] = {node.name: _describe(node) for node in session.get_inputs()}
        self.outputs: Mapping[str, GraphTensor] = {
            node.name: _describe(node) for node in session.get_outputs()
        }

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, the preferred one first."""
        return tuple(self._session.get_providers())

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once; raises what ONNX Runtime raises."""
        results: list[Array] = self._session.run(outputs, feeds)
        return results

    def run_held(
        self, feeds: Mapping[str, Array | Held], outputs: Sequence[str], held: Sequence[str]
    ) -> tuple[list[Array], list[Held]]:
        """Run once with IO binding (`contracts.HoldingSession`): what is held stays on the device."""
        binding = self._session.io_binding()
        # The binding reads an array's memory where it lies, until the run is over.
        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in feeds.items()
            if isinstance(value, np.ndarray)
        }
        for name, value in feeds.items():
            if name in arrays:
                binding.bind_cpu_input(name, arrays[name])
            else:
                binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cpu")
        device = "cuda" if _CUDA in self.providers else "cpu"
        for name in held:
            binding.bind_output(name, device)
        self._session.run_with_iobinding(binding)
        values = binding.get_outputs()
        return [value.numpy() for value in values[: len(outputs)]], values[len(outputs) :]


def open_session(path: Path, placement: Placement) -> OnnxSession:
    """Load the graph at `path`; raises SessionError with a reason that names no path."""
    providers = _providers(placement.device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = placement.threads or max(1, usable_cores() - 1)
    options.inter_op_num_threads = 1
    # Spinning workers would take the core that the event loop needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:
        reason = str(error).replace(str(path), path.name).replace(str(path.parent), "")
        raise SessionError(f"'{path.name}' cannot be loaded: {reason}") from error
    if providers[0] == _CUDA and _CUDA not in session.get_providers():
        raise SessionError(f"'{path.name}' was to run on CUDA, but the runtime fell back to the CPU")
    return OnnxSession(session, holds=_CUDA in session.get_providers())


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

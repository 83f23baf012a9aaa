"""An ONNX graph: give its axes the names of the signature, check it, write it, run it.

Knows onnx and onnxruntime, and nothing of where a graph came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.errors import ConversionError
from export.parity import Runner
from export.recipe import Arrays, with_texts
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

OPSETS = range(13, 24)
IR_VERSIONS = range(7, 12)
"""What the runtime of the gateway reads, and older ones still in use too."""


def conform(model: onnx.ModelProto, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Give every input and output the declared axis names, and check the whole graph.

    Raises ConversionError if names, dtypes or fixed axes are not the declared ones, if the opset or the IR
    version is one that the runtime may not read, or if the ONNX checker refuses the graph.
    """
    import onnx  # noqa: PLC0415  # half a second; not for `--help`

    _conform_values("input", model.graph.input, inputs)
    _conform_values("output", model.graph.output, outputs)
    opset = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}.get("ai.onnx")
    if opset not in OPSETS or model.ir_version not in IR_VERSIONS:
        raise ConversionError(
            f"opset {opset} with IR version {model.ir_version}: expected opset {OPSETS[0]} to {OPSETS[-1]} "
            f"and IR version {IR_VERSIONS[0]} to {IR_VERSIONS[-1]}"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]  # the others repeat the node
        raise ConversionError(f"the graph is not valid ONNX: {reason}") from error


def write(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph; raises ConversionError if it is larger than a protobuf message can be (2 GiB)."""
    try:
        path.write_bytes(model.SerializeToString())
    except ValueError as error:
        raise ConversionError(f"{path.name} is too large for one file: {error}") from error


def read(path: Path) -> onnx.ModelProto:
    """Read a graph; raises ConversionError if the file is none."""
    import onnx  # noqa: PLC0415

    try:
        return onnx.load_model(path)
    except Exception as error:  # protobuf's and onnx's own errors have no common base
        raise ConversionError(f"{path.name} is not an ONNX file: {error}") from error


def runner(path: Path) -> Runner:
    """Return a graph file as a function of arrays, on the CPU. Probe the file first: this may crash."""
    import onnxruntime  # noqa: PLC0415  # the environment must be set before

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they are raised as well
    options.intra_op_num_threads = 1  # a gate of many small runs gains nothing by waking threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise ConversionError(f"{path.name} cannot be loaded: {error}") from error
    names = [output.name for output in session.get_outputs()]

    def run(feeds: Arrays) -> Arrays:
        try:
            answer = session.run(names, {name: np.asarray(array) for name, array in feeds.items()})
        except Exception as error:
            raise ConversionError(f"{path.name} cannot be run: {error}") from error
        return with_texts(dict(zip(names, answer, strict=True)))

    return run


def _conform_values(what: str, values: Iterable[Any], declared: Sequence[Tensor]) -> None:
    found = {value.name: value.type.tensor_type for value in values}
    if found.keys() != (names := {tensor.name for tensor in declared}):
        raise ConversionError(f"the graph has the {what}s {sorted(found)}, declared are {sorted(names)}")
    for tensor in declared:
        _conform_tensor(f"{what} '{tensor.name}'", found[tensor.name], tensor)


def _conform_tensor(what: str, found: Any, tensor: Tensor) -> None:
    import onnx  # noqa: PLC0415

    if tensor.dtype == "string" and what.startswith("input"):
        raise ConversionError(f"{what} has strings; tokenise outside the graph")
    dtype = onnx.helper.tensor_dtype_to_np_dtype(found.elem_type)
    if dtype != (np.dtype(object) if tensor.dtype == "string" else np.dtype(tensor.dtype)):
        raise ConversionError(f"{what} of the graph is {dtype}, declared is {tensor.dtype}")
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in found.shape.dim]
    if found.HasField("shape") and not _agree(sizes, tensor.shape):
        raise ConversionError(f"{what} of the graph has the shape {sizes}, declared is {list(tensor.shape)}")
    found.ClearField("shape")
    found.shape.SetInParent()  # a scalar has a shape, an empty one
    for axis in tensor.shape:
        found.shape.dim.add(**{"dim_param" if isinstance(axis, str) else "dim_value": axis})


def _agree(sizes: Sequence[int | None], declared: Sequence[int | str]) -> bool:
    """A fixed axis of the graph must be declared fixed: else the graph refuses what the manifest promises."""
    return len(sizes) == len(declared) and all(
        size is None or size == axis for size, axis in zip(sizes, declared, strict=True)
    )

"""Inference requests and answers as protobuf messages.

Pure: from messages to values and back. Knows no gateway and no gRPC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pb import oip_pb2
from service.domain import Array
from service.errors import Invalid
from service.protocols.oip import binary, datatypes, shapes
from service.protocols.oip.asking import Asked, asked, wanted_output
from service.protocols.oip.datatypes import BYTES, NUMPY
from service.protocols.oip.inference import Inferred, Output

_CONTENTS = {
    "BOOL": "bool_contents", "BYTES": "bytes_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
}  # fmt: skip
_FIELDS = tuple(dict.fromkeys(_CONTENTS.values()))


def decode(message: Any) -> Asked:
    """Return what a ModelInferRequest asks for; raises Invalid."""
    parameters = parameters_of(message.parameters)
    wanted = []
    for output in message.outputs:
        own = parameters_of(output.parameters)
        if "shared_memory_region" in own:
            raise Invalid(
                f"output '{output.name}': shared memory is not enabled", field=f"outputs.{output.name}"
            )
        wanted.append(wanted_output(output.name, own, binary=True))
    return asked(_inputs(message), tuple(wanted), message.id, {**parameters, "binary_data_output": True})


def parameters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a map of InferParameters as plain values; raises Invalid for one without a value."""
    parameters = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise Invalid(f"parameter '{name}' has no value", field=f"parameters.{name}")
        parameters[name] = getattr(parameter, choice)
    return parameters


def _inputs(message: Any) -> dict[str, Array]:
    raw = message.raw_input_contents
    if not message.inputs:
        raise Invalid("expected at least one input", field="inputs")
    if raw and len(raw) != len(message.inputs):
        raise Invalid(
            f"expected {len(message.inputs)} raw_input_contents, one for each input, got {len(raw)}",
            field="raw_input_contents",
        )
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(message.inputs):
        name = tensor.name
        if not name:
            raise Invalid("expected a name", field=f"inputs[{index}].name")
        if name in inputs:
            raise Invalid(f"input '{name}' is there twice", field=f"inputs.{name}")
        if "shared_memory_region" in tensor.parameters:
            raise Invalid(f"input '{name}': shared memory is not enabled", field=f"inputs.{name}")
        inputs[name] = _input(tensor, raw[index] if raw else None)
    return inputs


def _input(tensor: Any, raw: bytes | None) -> Array:
    name = tensor.name
    datatype = datatypes.check(tensor.datatype, name)
    shape = shapes.check(tensor.shape, name)
    given = (
        [field for field in _FIELDS if getattr(tensor.contents, field)] if tensor.HasField("contents") else []
    )
    if raw is not None:
        if given:
            raise Invalid(
                f"contents field must not be specified when using raw_input_contents for '{name}'",
                field=f"inputs.{name}.contents",
            )
        return binary.decode(name, datatype, shape, raw)
    field = _CONTENTS.get(datatype)
    if field is None:
        raise Invalid(f"input '{name}': {datatype} needs raw_input_contents", field=f"inputs.{name}.contents")
    if given and given != [field]:
        raise Invalid(
            f"input '{name}': the elements of {datatype} belong in {field}, not {' and '.join(given)}",
            field=f"inputs.{name}.contents",
        )
    return _from_contents(name, datatype, shape, getattr(tensor.contents, field))


def _from_contents(name: str, datatype: str, shape: tuple[int, ...], values: Any) -> Array:
    count = int(np.prod(shape, dtype=np.int64))
    if len(values) != count:
        raise Invalid(
            f"input '{name}': got {len(values)} elements in contents, expected {count} for shape {list(shape)}",
            field=f"inputs.{name}.contents",
        )
    if datatype == BYTES:
        elements = np.empty(count, object)
        elements[:] = list(values)
        return elements.reshape(shape)
    dtype = NUMPY[datatype]
    if dtype.kind in "iu" and dtype.itemsize < 4:
        wide = np.array(values, np.int64)
        bounds = np.iinfo(dtype)
        if wide.size and not bounds.min <= int(wide.min()) <= int(wide.max()) <= bounds.max:
            raise Invalid(
                f"input '{name}': an element does not fit {datatype}", field=f"inputs.{name}.contents"
            )
        return wide.astype(dtype).reshape(shape)
    return np.array(values, dtype).reshape(shape)


def encode(answer: Inferred, **parameters: bool) -> Any:
    """Return a ModelInferResponse; all tensors are raw."""
    return oip_pb2.ModelInferResponse(
        model_name=answer.model.name,
        model_version=str(answer.model.version),
        id=answer.id,
        parameters={name: oip_pb2.InferParameter(bool_param=value) for name, value in parameters.items()},
        outputs=[_output(output) for output in answer.outputs],
        raw_output_contents=[binary.encode(output.array) for output in answer.outputs],
    )


def _output(output: Output) -> Any:
    return oip_pb2.ModelInferResponse.InferOutputTensor(
        name=output.name, datatype=output.datatype, shape=output.array.shape
    )

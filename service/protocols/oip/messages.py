"""Inference requests and answers as protobuf messages.

From messages to values and back; an input may be read from shared memory. Knows no gateway and no gRPC.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pb import oip_pb2
from service.domain import Array
from service.errors import Invalid
from service.protocols.oip import binary, datatypes, shapes
from service.protocols.oip.asking import (
    MAX_PARAMETERS,
    MAX_TENSORS,
    Asked,
    asked,
    check_count,
    wanted_output,
)
from service.protocols.oip.datatypes import BYTES, NUMPY
from service.protocols.oip.inference import Inferred, Output
from service.protocols.oip.intake import REGION, Intake

_CONTENTS = {
    "BOOL": "bool_contents", "BYTES": "bytes_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
}  # fmt: skip
_FIELDS = tuple(dict.fromkeys(_CONTENTS.values()))


def decode(message: Any, intake: Intake | None = None) -> Asked:
    """Return what a ModelInferRequest asks for.

    `intake` bounds what it brings; without one, nothing is in shared memory. Raises ServiceError.
    """
    intake = intake or Intake()
    parameters = parameters_of(message.parameters)
    check_count(len(message.outputs), MAX_TENSORS, "outputs")
    wanted = []
    for output in message.outputs:
        own = parameters_of(output.parameters)
        wanted.append(wanted_output(output.name, own, intake.place_of(output.name, own), binary=True))
    return asked(
        _inputs(message, intake), tuple(wanted), message.id, {**parameters, "binary_data_output": True}
    )


def parameters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a map of InferParameters as plain values; raises Invalid for one without a value."""
    check_count(len(given), MAX_PARAMETERS, "parameters")
    parameters = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise Invalid(f"parameter '{name}' has no value", field=f"parameters.{name}")
        parameters[name] = getattr(parameter, choice)
    return parameters


def _inputs(message: Any, intake: Intake) -> dict[str, Array]:
    if not message.inputs:
        raise Invalid("expected at least one input", field="inputs")
    check_count(len(message.inputs), MAX_TENSORS, "inputs")
    inputs: dict[str, Array] = {}
    raw = _raw_inputs(message)
    for index, tensor in enumerate(message.inputs):
        name = tensor.name
        if not name:
            raise Invalid("expected a name", field=f"inputs[{index}].name")
        if name in inputs:
            raise Invalid(f"input '{name}' is there twice", field=f"inputs.{name}")
        inputs[name] = _input(tensor, raw, intake)
    return inputs


def _raw_inputs(message: Any) -> Iterator[bytes] | None:
    """Return the raw contents of the inputs that are not in shared memory, None if there are none at all."""
    raw = message.raw_input_contents
    expected = sum(REGION not in tensor.parameters for tensor in message.inputs)
    if raw and len(raw) != expected:
        raise Invalid(
            f"expected {expected} raw_input_contents, one for each input, got {len(raw)}",
            field="raw_input_contents",
        )
    return iter(raw) if raw else None


def _input(tensor: Any, raw: Iterator[bytes] | None, intake: Intake) -> Array:
    name = tensor.name
    datatype = datatypes.check(tensor.datatype, name)
    shape = shapes.check(tensor.shape, name)
    if datatype == BYTES:
        intake.count_strings(name, math.prod(shape))
    given = (
        [field for field in _FIELDS if getattr(tensor.contents, field)] if tensor.HasField("contents") else []
    )
    shared = REGION in tensor.parameters
    if given and (shared or raw is not None):
        raise Invalid(
            f"contents field must not be specified when using {REGION if shared else 'raw_input_contents'} "
            f"for '{name}'",
            field=f"inputs.{name}.contents",
        )
    if shared:
        return binary.decode(name, datatype, shape, intake.read(name, parameters_of(tensor.parameters)))
    if raw is not None:
        return binary.decode(name, datatype, shape, next(raw))
    return _from_typed(tensor, datatype, shape, given)


def _from_typed(tensor: Any, datatype: str, shape: tuple[int, ...], given: list[str]) -> Array:
    name = tensor.name
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
    """Return a ModelInferResponse; all tensors are raw, those in shared memory empty."""
    return oip_pb2.ModelInferResponse(
        model_name=answer.model.name,
        model_version=str(answer.model.version),
        id=answer.id,
        parameters={name: oip_pb2.InferParameter(bool_param=value) for name, value in parameters.items()},
        outputs=[_output(output) for output in answer.outputs],
        raw_output_contents=[
            b"" if output.placed else binary.encode(output.array) for output in answer.outputs
        ],
    )


def _output(output: Output) -> Any:
    return oip_pb2.ModelInferResponse.InferOutputTensor(
        name=output.name, datatype=output.datatype, shape=output.array.shape
    )

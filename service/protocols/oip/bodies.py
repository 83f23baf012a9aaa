"""Inference requests and answers over REST: JSON, with or without binary tensors behind it.

From bytes to values and back; an input may be read from shared memory. Knows no HTTP and no model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from service.domain import Array, ModelId
from service.errors import Invalid
from service.protocols.oip import binary, datatypes, numbers, shapes
from service.protocols.oip.asking import (
    MAX_PARAMETERS,
    MAX_TENSORS,
    Asked,
    Wanted,
    asked,
    check_count,
    flag,
    wanted_output,
)
from service.protocols.oip.inference import Output
from service.protocols.oip.intake import REGION, Intake

_DUMP = orjson.OPT_SERIALIZE_NUMPY


def parse(body: bytes | memoryview) -> dict[str, Any]:
    """Return the object that `body` is; raises Invalid."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"failed to parse the request JSON buffer: {error}", field="body") from error
    if type(document) is not dict:
        raise Invalid("failed to parse the request JSON buffer: expected an object", field="body")
    return document


def decode(body: bytes, header_bytes: int | None, intake: Intake | None = None) -> Asked:
    """Return what a body asks for, whose first `header_bytes` are JSON (None: all of them).

    `intake` bounds what it brings; without one, nothing is in shared memory. Raises ServiceError.
    """
    intake = intake or Intake()
    view = memoryview(body)
    if header_bytes is None:
        document, rest = parse(body), view[:0]
    elif header_bytes > len(body):
        raise Invalid(
            f"expected {header_bytes} bytes of JSON by the header, got a body of {len(body)}",
            field="inference-header-content-length",
        )
    else:
        document, rest = parse(view[:header_bytes]), view[header_bytes:]
    parameters = parameters_of(document, "parameters")
    all_binary = flag(parameters, "binary_data_output")
    return asked(
        _inputs(document.get("inputs"), rest, intake),
        _outputs(document.get("outputs"), intake, binary=all_binary),
        request_id(document),
        parameters,
    )


def request_id(document: Mapping[str, Any]) -> str:
    """Return the caller's own id of the request, "" if there is none; raises Invalid."""
    given = document.get("id")
    if given is None:
        return ""
    if type(given) is not str:
        raise Invalid("expected a string", field="id")
    return given


def parameters_of(document: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """Return the `parameters` of an object; raises Invalid with `field` unless they are plain values."""
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise Invalid("expected an object from names to values", field=field)
    check_count(len(parameters), MAX_PARAMETERS, field)
    for name, value in parameters.items():
        if not isinstance(value, str | bool | int | float):
            raise Invalid(
                f"parameter '{name}': expected a string, a number or a boolean", field=f"{field}.{name}"
            )
    return parameters


def _inputs(given: Any, rest: memoryview, intake: Intake) -> dict[str, Array]:
    if type(given) is not list or not given:
        raise Invalid("expected a list of at least one input", field="inputs")
    check_count(len(given), MAX_TENSORS, "inputs")
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(given):
        if type(tensor) is not dict or type(tensor.get("name")) is not str:
            raise Invalid("expected an object with a name", field=f"inputs[{index}]")
        name = tensor["name"]
        if name in inputs:
            raise Invalid(f"input '{name}' is there twice", field=f"inputs.{name}")
        inputs[name], rest = _input(name, tensor, rest, intake)
    if rest:
        raise Invalid(
            f"unexpected additional input data: {len(rest)} bytes behind the last input", field="inputs"
        )
    return inputs


def _input(
    name: str, tensor: Mapping[str, Any], rest: memoryview, intake: Intake
) -> tuple[Array, memoryview]:
    """Return one input, and what is left of the binary data."""
    datatype = datatypes.check(tensor.get("datatype"), name)
    shape = shapes.check(tensor.get("shape"), name)
    if datatype == datatypes.BYTES:
        intake.count_strings(name, math.prod(shape))
    parameters = parameters_of(tensor, f"inputs.{name}.parameters")
    size = parameters.get("binary_data_size")
    sources = ("data" in tensor) + (size is not None) + (REGION in parameters)
    if sources != 1:
        raise Invalid(
            f"input '{name}': expected one of data, binary_data_size and {REGION}, got {sources}",
            field=f"inputs.{name}.data",
        )
    if REGION in parameters:
        return binary.decode(name, datatype, shape, intake.read(name, parameters)), rest
    if size is None:
        return numbers.decode(name, datatype, shape, tensor["data"]), rest
    if type(size) is not int or not 0 <= size <= len(rest):
        raise Invalid(
            f"input '{name}': expected a binary_data_size of at most the {len(rest)} bytes that are left",
            field=f"inputs.{name}.parameters.binary_data_size",
        )
    return binary.decode(name, datatype, shape, rest[:size]), rest[size:]


def _outputs(given: Any, intake: Intake, *, binary: bool) -> tuple[Wanted, ...]:
    if given is None:
        return ()
    if type(given) is not list:
        raise Invalid("expected a list of outputs", field="outputs")
    check_count(len(given), MAX_TENSORS, "outputs")
    wanted = []
    for index, output in enumerate(given):
        if type(output) is not dict or type(output.get("name")) is not str:
            raise Invalid("expected an object with a name", field=f"outputs[{index}]")
        name = output["name"]
        parameters = parameters_of(output, f"outputs.{name}.parameters")
        place = intake.place_of(name, parameters)
        wanted.append(wanted_output(name, parameters, place, binary=binary))
    return tuple(wanted)


def encode(model: ModelId, request_id: str, outputs: tuple[Output, ...]) -> tuple[bytes, int | None]:
    """Return the body of an answer, and how long its JSON is if binary tensors are behind it.

    Raises Invalid for an output that JSON has no form for.
    """
    raw: list[bytes] = []
    entries = []
    for output in outputs:
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.array.shape),
        }
        if output.placed:
            pass  # its values are in shared memory
        elif output.binary:
            raw.append(binary.encode(output.array))
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            entry["data"] = numbers.encode(output.name, output.datatype, output.array)
        entries.append(entry)
    document: dict[str, Any] = {"model_name": model.name, "model_version": str(model.version)}
    if request_id:
        document["id"] = request_id
    document["outputs"] = entries
    header = orjson.dumps(document, option=_DUMP)
    return (b"".join((header, *raw)), len(header)) if raw else (header, None)

"""Inference requests and answers over REST: JSON, with or without binary tensors behind it.

Pure: from bytes to values and back. Knows no HTTP and no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from service.domain import Array, ModelId
from service.errors import Invalid
from service.protocols.oip import binary, datatypes, numbers, shapes
from service.protocols.oip.asking import Asked, Wanted, asked, flag, wanted_output
from service.protocols.oip.inference import Output

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


def decode(body: bytes, header_bytes: int | None) -> Asked:
    """Return what a body asks for, whose first `header_bytes` are JSON (None: all of them); raises Invalid."""
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
        _inputs(document.get("inputs"), rest),
        _outputs(document.get("outputs"), binary=all_binary),
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
    for name, value in parameters.items():
        if not isinstance(value, str | bool | int | float):
            raise Invalid(
                f"parameter '{name}': expected a string, a number or a boolean", field=f"{field}.{name}"
            )
    return parameters


def _inputs(given: Any, rest: memoryview) -> dict[str, Array]:
    if type(given) is not list or not given:
        raise Invalid("expected a list of at least one input", field="inputs")
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(given):
        if type(tensor) is not dict or type(tensor.get("name")) is not str:
            raise Invalid("expected an object with a name", field=f"inputs[{index}]")
        name = tensor["name"]
        if name in inputs:
            raise Invalid(f"input '{name}' is there twice", field=f"inputs.{name}")
        inputs[name], rest = _input(name, tensor, rest)
    if rest:
        raise Invalid(
            f"unexpected additional input data: {len(rest)} bytes behind the last input", field="inputs"
        )
    return inputs


def _input(name: str, tensor: Mapping[str, Any], rest: memoryview) -> tuple[Array, memoryview]:
    """Return one input, and what is left of the binary data."""
    datatype = datatypes.check(tensor.get("datatype"), name)
    shape = shapes.check(tensor.get("shape"), name)
    parameters = parameters_of(tensor, f"inputs.{name}.parameters")
    size = parameters.get("binary_data_size")
    if "shared_memory_region" in parameters:
        raise Invalid(f"input '{name}': shared memory is not enabled", field=f"inputs.{name}.parameters")
    if size is None:
        if "data" not in tensor:
            raise Invalid(f"input '{name}': expected data or binary_data_size", field=f"inputs.{name}.data")
        return numbers.decode(name, datatype, shape, tensor["data"]), rest
    if "data" in tensor:
        raise Invalid(
            f"input '{name}': expected data or binary_data_size, not both", field=f"inputs.{name}.data"
        )
    if type(size) is not int or not 0 <= size <= len(rest):
        raise Invalid(
            f"input '{name}': expected a binary_data_size of at most the {len(rest)} bytes that are left",
            field=f"inputs.{name}.parameters.binary_data_size",
        )
    return binary.decode(name, datatype, shape, rest[:size]), rest[size:]


def _outputs(given: Any, *, binary: bool) -> tuple[Wanted, ...]:
    if given is None:
        return ()
    if type(given) is not list:
        raise Invalid("expected a list of outputs", field="outputs")
    wanted = []
    for index, output in enumerate(given):
        if type(output) is not dict or type(output.get("name")) is not str:
            raise Invalid("expected an object with a name", field=f"outputs[{index}]")
        name = output["name"]
        parameters = parameters_of(output, f"outputs.{name}.parameters")
        if "shared_memory_region" in parameters:
            raise Invalid(
                f"output '{name}': shared memory is not enabled", field=f"outputs.{name}.parameters"
            )
        wanted.append(wanted_output(name, parameters, binary=binary))
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
        if output.binary:
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

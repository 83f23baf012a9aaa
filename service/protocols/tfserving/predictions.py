"""Predict as JSON: from the bytes of a body to the arrays of a signature, in row or in columnar form.

Pure. Knows a manifest's signatures; knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from service.bundle import Manifest, Signature
from service.domain import Array, PredictRequest
from service.errors import Invalid
from service.protocols.tfserving import json_text, signatures
from service.protocols.tfserving.faults import quoted
from service.protocols.tfserving.json_text import shown
from service.protocols.tfserving.values import MisfitError, is_base64, to_array


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a body asks for; `by_row` is the form in which the answer is to come."""

    request: PredictRequest
    by_row: bool


def decode(body: bytes, manifest: Manifest) -> Prediction:
    """Return the request; raises Invalid with TensorFlow Serving's texts."""
    document = json_text.loads(body)
    asked = signature_name(document)
    name = signatures.own_name(manifest, asked)
    if name is None:
        raise Invalid(
            f'Serving signature name: "{quoted(asked)}" not found in signature def', field="signature_name"
        )
    signature = manifest.signatures[name]
    if not signature.inputs:
        raise Invalid(f"Failed to get input map for signature: {asked or 'DEFAULT'}", field="signature_name")
    by_row = "instances" in document
    if by_row == ("inputs" in document):
        _refuse_keys(document, both=by_row)
    inputs = _rows(document, signature) if by_row else _columns(document["inputs"], signature)
    return Prediction(PredictRequest(inputs, name), by_row)


def signature_name(document: dict[str, Any]) -> str:
    """Return the name of the signature that a body asks for, "" for the default; raises Invalid."""
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise Invalid(
            f"JSON Value: {shown(document)} not formatted correctly. "
            "'signature_name' key must be a string value.",
            field="signature_name",
        )
    return name


def _refuse_keys(document: dict[str, Any], *, both: bool) -> NoReturn:
    if not both:
        raise Invalid("Missing 'inputs' or 'instances' key", field="body")
    raise Invalid(
        f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or "
        "'instances' keys to exist",
        field="body",
    )


def _rows(document: dict[str, Any], signature: Signature) -> dict[str, Array]:
    instances = document["instances"]
    if type(instances) is not list:
        raise Invalid(
            f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array", field="instances"
        )
    if not instances:
        raise Invalid(f"JSON Value: {shown(document)} No values in 'instances' array", field="instances")
    if not _is_row(instances[0]) and len(signature.inputs) > 1:
        raise Invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required "
            "as per tensorinfo_map",
            field="instances",
        )
    dtypes = {tensor.name: tensor.dtype for tensor in signature.inputs}
    if _is_row(instances[0]):
        _check_rows(instances, dtypes)
        return {
            name: _stacked([row[name] for row in instances], dtype, f" key: {name}")
            for name, dtype in dtypes.items()
        }
    for index, each in enumerate(instances):
        if type(each) is dict and not is_base64(each):
            raise Invalid(
                f"Expecting value/list but got object at item {index} of input list", field="instances"
            )
    ((name, dtype),) = dtypes.items()
    return {name: _stacked(instances, dtype, "")}


def _is_row(instance: object) -> bool:
    return type(instance) is dict and not is_base64(instance)


def _check_rows(rows: list[Any], dtypes: Mapping[str, str]) -> None:
    names = dtypes.keys()
    for index, row in enumerate(rows):
        if type(row) is dict and row.keys() == names:
            continue
        if not _is_row(row):
            raise Invalid(f"Expecting object but got list at item {index} of input list", field="instances")
        for name in row:
            if name not in names:
                raise Invalid(
                    f"Failed to process element: {index} key: {quoted(name)} of 'instances' list. Error: "
                    f"INVALID_ARGUMENT: JSON object: does not have named input: {quoted(name)}",
                    field="instances",
                )
        raise Invalid(
            f"Failed to process element: {index} of 'instances' list. JSON object: {shown(row)} keys must be "
            f"equal to: {','.join(sorted(names))}",
            field="instances",
        )


def _stacked(values: list[Any], dtype: str, key: str) -> Array:
    """Return one array of the values of all rows; `key` tells in errors which of an object's."""
    try:
        return to_array(values, dtype)
    except MisfitError as error:
        text = _why_alone(values, error, dtype)
        raise Invalid(
            f"Failed to process element: {error.element}{key} of 'instances' list. "
            f"Error: INVALID_ARGUMENT: {text}",
            field="instances",
        ) from error


def _why_alone(values: list[Any], error: MisfitError, dtype: str) -> str:
    """Say what is wrong with one row's value: with itself, or beside the first row's."""
    try:
        first, wrong = to_array(values[0], dtype), to_array(values[error.element], dtype)
    except MisfitError as alone:
        return alone.text
    if first.size != wrong.size:
        return f"Expecting tensor size: {first.size} but got: {wrong.size}"
    if first.shape != wrong.shape:
        return f"Expecting shape {_shape(first)} but got: {_shape(wrong)}"
    return error.text


def _shape(array: Array) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _columns(inputs: Any, signature: Signature) -> dict[str, Array]:
    if type(inputs) is dict and not is_base64(inputs):
        missing = next((tensor.name for tensor in signature.inputs if tensor.name not in inputs), None)
        if missing is not None:
            raise Invalid(f"Missing named input: {missing} in 'inputs' object.", field=f"inputs.{missing}")
        values = inputs
    elif len(signature.inputs) > 1:
        raise Invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map",
            field="inputs",
        )
    else:
        values = {tensor.name: inputs for tensor in signature.inputs}
    arrays = {}
    for tensor in signature.inputs:
        try:
            arrays[tensor.name] = to_array(values[tensor.name], tensor.dtype)
        except MisfitError as error:
            raise Invalid(error.text, field=f"inputs.{tensor.name}") from error
    return arrays

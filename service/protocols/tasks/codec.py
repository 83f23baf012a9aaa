"""Predict as JSON: from the bytes of a body to the request, and from the answer to bytes.

Pure, and the hottest path of the service: no schema library, one parse, one dump. Knows no HTTP.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import orjson

from service.domain import NAME_PATTERN, ModelRef, PredictAnswer, PredictRequest
from service.errors import Invalid
from service.protocols import strict_json
from service.protocols.tasks import bodies

_FIELDS = frozenset({"model", "version", "label", "signature", "inputs", "outputs"})
_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")
_DUMP = orjson.OPT_SERIALIZE_NUMPY


def decode_predict(body: bytes) -> tuple[ModelRef, PredictRequest]:
    """Return whom the body asks and for what; raises Invalid that names the field."""
    document = strict_json.loads(body)
    if not document.keys() <= _FIELDS:
        unknown = next(name for name in document if name not in _FIELDS)
        raise Invalid("no field of that name is known", field=unknown)
    inputs = document.get("inputs")
    if type(inputs) is not dict:
        raise Invalid("expected an object from the names of inputs to their values", field="inputs")
    signature = document.get("signature")
    if signature is not None and type(signature) is not str:
        raise Invalid("expected a string", field="signature")
    return _ref(document), PredictRequest(inputs, signature, _outputs(document.get("outputs")))


def _ref(document: dict[str, Any]) -> ModelRef:
    name, version, label = document.get("model"), document.get("version"), document.get("label")
    if name is not None:
        check_name(name, "model")
    if label is not None:
        check_name(label, "label")
    if version is not None:
        check_version(version)
    return bodies.one_version(ModelRef(name, version, label))


def check_name(name: object, field: str) -> None:
    """Raise Invalid unless `name` can be the name of a model or a label."""
    if type(name) is not str or not _NAME.match(name):
        raise Invalid(f"expected a string that matches {NAME_PATTERN}", field=field)


def check_version(version: object) -> None:
    """Raise Invalid unless `version` is a positive integer of 63 bits."""
    if type(version) is not int or not 1 <= version < 2**63:
        raise Invalid("expected a positive integer", field="version")


def _outputs(names: object) -> tuple[str, ...]:
    if names is None:
        return ()
    if type(names) is not list or not all(type(name) is str for name in names):
        raise Invalid("expected a list of names of outputs", field="outputs")
    check_distinct(names)
    return tuple(names)


def check_distinct(names: list[str]) -> None:
    """Raise Invalid if an output is asked for twice."""
    if len(set(names)) < len(names):
        raise Invalid("the same output is asked for twice", field="outputs")


def encode_predict(answer: PredictAnswer) -> bytes:
    """Return the JSON answer; arrays become nested lists, and what is not a finite number null."""
    document = {
        "model": {"name": answer.model.name, "version": answer.model.version},
        "signature": answer.signature,
        "outputs": dict(answer.outputs),
    }
    return orjson.dumps(document, default=_nested_list, option=_DUMP)


def _nested_list(value: object) -> object:
    """Return what orjson cannot take by itself: strings, bare values, strided arrays."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"an output of type {type(value).__name__} cannot be put into JSON")
    if value.dtype.kind in "OSU":
        return _texts(value.tolist())
    return value[()] if value.ndim == 0 else np.ascontiguousarray(value)


def _texts(value: object) -> object:
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

"""`tf.Example`s, as messages or as JSON: from either to values by the name of their feature.

Pure. Knows no model; what a model makes of features is in `features`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import Invalid
from service.protocols.tfserving.faults import quoted
from service.protocols.tfserving.json_text import kind_of, shown
from service.protocols.tfserving.values import is_base64

Example = Mapping[str, Sequence[Any]]
"""Values by the name of their feature: numbers, or text and bytes, in a list each."""


def from_input(message: Any) -> list[Example]:
    """Return the examples of an `Input` message; features of its context are everyone's. Raises Invalid."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise Invalid("Input is empty.", field="input")
    given = getattr(message, kind)
    context = _features(given.context) if kind == "example_list_with_context" else {}
    return _not_empty([{**context, **_features(example)} for example in given.examples])


def _not_empty(examples: list[Example]) -> list[Example]:
    if not examples:
        raise Invalid("Input is empty.", field="input")
    return examples


def _features(example: Any) -> dict[str, Sequence[Any]]:
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = () if kind is None else getattr(feature, kind).value
    return found


def from_document(document: Mapping[str, Any]) -> list[Example]:
    """Return the examples of a JSON body; raises Invalid with TensorFlow Serving's texts."""
    context = _from_object(document["context"]) if "context" in document else {}
    examples = document.get("examples")
    if "examples" not in document:
        raise Invalid(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected and was not "
            "found",
            field="examples",
        )
    if type(examples) is not list:
        raise Invalid(
            f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array", field="examples"
        )
    if not examples:
        raise Invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array", field="examples")
    return [{**context, **_from_object(example)} for example in examples]


def _from_object(example: Any) -> dict[str, Sequence[Any]]:
    if type(example) is not dict:
        raise Invalid(f"Example must be JSON object but got JSON {kind_of(example)}", field="examples")
    return {
        name: _checked(name, value if type(value) is list else [value]) for name, value in example.items()
    }


def _checked(name: str, values: list[Any]) -> list[Any]:
    kinds = set()
    for value in values:
        if value is None or type(value) is list or (type(value) is dict and not is_base64(value)):
            raise Invalid(
                f"Feature: {quoted(name)} has element with unexpected JSON type: {kind_of(value)}",
                field=f"examples.{quoted(name)}",
            )
        kinds.add(_FEATURE_KINDS[type(value)])
        if len(kinds) > 1:
            first = _FEATURE_KINDS[type(values[0])]
            raise Invalid(
                f"Unexpected element type in feature: {quoted(name)} expecting type: {first}",
                field=f"examples.{quoted(name)}",
            )
    return values


_FEATURE_KINDS: dict[type, str] = {bool: "int64", int: "int64", float: "float", str: "bytes", dict: "bytes"}

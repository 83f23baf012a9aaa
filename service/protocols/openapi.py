"""What the wires' parts of the OpenAPI document have in common, and how the parts become one document.

Pure. Knows the form of such a document; knows no route.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.domain import NAME_PATTERN

Schema = dict[str, Any]

JSON = "application/json"
NAME: Schema = {"type": "string", "pattern": NAME_PATTERN}
VERSION: Schema = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
TEXT: Schema = {"type": "string"}
WHATEVER: Schema = {}


@dataclass(frozen=True, slots=True)
class Part:
    """What one wire says of itself: operations by path and method, and the schemas that they refer to."""

    paths: Mapping[str, Mapping[str, Any]]
    schemas: Mapping[str, Schema] = field(default_factory=dict)


def ref(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object; it may have more members than those that are named."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def path_parameters(path: str, schemas: Mapping[str, Schema]) -> list[Schema]:
    """Return the parameters that stand in braces in `path`, in its order."""
    names = [piece.partition("}")[0] for piece in path.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]


def body(schema: Schema, examples: Mapping[str, Any], *, required: bool = True) -> Schema:
    """Return a request body of JSON, with an example for each name."""
    told = {name: {"value": value} for name, value in examples.items()}
    return {"required": required, "content": {JSON: {"schema": schema, "examples": told}}}


def answer(description: str, schema: Schema) -> Schema:
    """Return an answer of JSON."""
    return {"description": description, "content": {JSON: {"schema": schema}}}


def event_stream(example: str) -> Schema:
    """Return the content of an answer that comes as server-sent events."""
    event = {"type": "object", "required": ["data"], "properties": {"data": TEXT}}
    return {"text/event-stream": {"itemSchema": event, "example": example}}


def failures(schema: Schema) -> dict[str, Schema]:
    """Return the answers for what is wrong, which are of one form on a wire."""
    return {
        "4XX": answer("The request is wrong, or came at a bad time.", schema),
        "5XX": answer("It could not be answered, or not in time.", schema),
    }


def merged(document: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    """Return `document` with the parts; nothing may be said twice."""
    paths = {path: dict(operations) for path, operations in document["paths"].items()}
    schemas = dict(document["components"]["schemas"])
    for part in parts:
        for path, operations in part.paths.items():
            known = paths.setdefault(path, {})
            assert not known.keys() & operations.keys(), f"two wires describe {path}"
            known.update(operations)
        assert not schemas.keys() & part.schemas.keys(), "two wires call a schema alike"
        schemas.update(part.schemas)
    components = {**document["components"], "schemas": schemas}
    return {**document, "paths": paths, "components": components}

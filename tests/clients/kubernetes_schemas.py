"""Check Kubernetes objects strictly: `python kubernetes_schemas.py RELEASE... < objects.json > mistakes.json`.

Reads an object of names to lists of Kubernetes objects, and writes the mistakes of each list, one sentence each.
Kubernetes' own kinds are checked against the schemas of each release, KServe's against the types in KServe's and
Kubernetes' clients. A kind that has no schema anywhere is a mistake, except for those of `OWN`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve
import kubernetes.client
import kubernetes_validate
from jsonschema import Draft202012Validator

KSERVE = {
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "V1alpha1ServingRuntime",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
}


def _strict(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
_TEXT = {"type": "string", "minLength": 1}
OWN = {
    # Not validated upstream: the operator's schemas are in no package that could be installed. These are the fields
    # that we use, as its documentation has them.
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _strict(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion=_TEXT,
        kind=_TEXT,
        metadata=_strict(["name"], name=_TEXT, namespace=_TEXT, labels=_TEXTS),
        spec=_strict(
            ["selector", "endpoints"],
            selector=_strict(["matchLabels"], matchLabels=_TEXTS),
            endpoints={
                "type": "array",
                "minItems": 1,
                "items": _strict(
                    ["port"], port=_TEXT, path=_TEXT, interval=_DURATION, scrapeTimeout=_DURATION
                ),
            },
        ),
    ),
}
_SCALARS = {"str": str, "int": int, "bool": bool, "ResourceQuantity": (str, int)}
_MANY = re.compile(
    r"(?P<outer>list|dict)[\[(](str, )?(?P<inner>.+)[\])]", re.IGNORECASE
)  # KServe: list[str], dict(str, str)


def mistakes_of(document: dict[str, Any], releases: list[str]) -> Iterator[str]:
    """Yield what is wrong with one object."""
    kind = (document.get("apiVersion", ""), document.get("kind", ""))
    if kind in KSERVE:
        yield from _against_type(document, KSERVE[kind], "")
    elif kind in OWN:
        for error in Draft202012Validator(OWN[kind]).iter_errors(document):
            yield f"{error.json_path.removeprefix('$.')}: {error.message}"
    else:
        for release in releases:
            yield from _against_release(document, release)


def _against_release(document: dict[str, Any], release: str) -> Iterator[str]:
    try:
        used = kubernetes_validate.validate(document, release, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        yield error.message
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(map(str, error.path))}: {error.message} ({release})"
    else:
        if used != release:
            yield f"the schemas of {used} stood in for those of {release}"


def _against_type(value: Any, kind: str, where: str) -> Iterator[str]:
    """Yield how `value` differs from a type that is named as the clients' generator names types."""
    many = _MANY.fullmatch(kind)
    if many is not None:
        wanted = list if many["outer"].lower() == "list" else dict
        if not isinstance(value, wanted):
            yield f"{where}: expected a {wanted.__name__}"
            return
        items = enumerate(value) if wanted is list else value.items()
        for key, item in items:
            yield from _against_type(item, many["inner"], f"{where}.{key}")
    elif kind in _SCALARS:
        if not isinstance(value, _SCALARS[kind]) or (kind != "bool" and isinstance(value, bool)):
            yield f"{where}: expected {kind}, got {value!r}"
    elif kind != "object":
        yield from _against_fields(value, kind, where)


def _against_fields(value: Any, kind: str, where: str) -> Iterator[str]:
    model = getattr(kserve, kind, None) or getattr(kubernetes.client, kind, None)
    if model is None:
        yield f"{where}: the clients have no type {kind}"
        return
    if not isinstance(value, dict):
        yield f"{where}: expected {kind}, got {value!r}"
        return
    fields = {name: field for field, name in model.attribute_map.items()}
    for name, inner in value.items():
        if name not in fields:
            yield f"{where}.{name}: {kind} has no such field"
        else:
            yield from _against_type(inner, model.openapi_types[fields[name]], f"{where}.{name}")
    try:
        model(**{fields[name]: inner for name, inner in value.items() if name in fields})
    except ValueError as error:  # a required field is missing
        yield f"{where}: {error}"


def main() -> None:
    """Check standard input."""
    releases = sys.argv[1:]
    given = json.load(sys.stdin)
    found = {
        name: [
            f"{document.get('kind')} {document.get('metadata', {}).get('name')}: {mistake}"
            for document in documents
            for mistake in mistakes_of(document, releases)
        ]
        for name, documents in given.items()
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

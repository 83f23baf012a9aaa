"""Strict JSON: one object in UTF-8, no duplicate keys, no NaN, bounded depth.

Knows bytes and plain values, and nothing of what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

from service.errors import Invalid

MAX_DEPTH = 32
"""Lists and objects within one another; a tensor has at most 8 axes."""

MAX_KEYS = 64
"""Keys of the outermost object; no request has as many fields."""


def loads(body: bytes) -> dict[str, Any]:
    """Return the object that `body` is; raises Invalid, naming the place, for anything else."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not valid JSON: {error}", field="body") from error
    if type(document) is not dict:
        raise Invalid("expected a JSON object", field="body")
    if len(document) > MAX_KEYS:
        raise Invalid(f"expected at most {MAX_KEYS} keys, got {len(document)}", field="body")
    # Finding duplicates exactly costs more than parsing. Without them, and without quotes inside of strings,
    # every quote of the body begins or ends a string that is in the document; all else is looked at closely.
    if body.count(b'"') != 2 * _count_strings(document, 1):
        _refuse_duplicates(body)
    return document


def _count_strings(value: Any, depth: int) -> int:
    """Return at most how many keys and strings `value` has; lists that begin with a number count as 0."""
    if depth > MAX_DEPTH:
        raise Invalid(f"the body is nested deeper than {MAX_DEPTH} levels", field="body")
    kind = type(value)
    if kind is str:
        return 1
    if kind is dict:
        return len(value) + sum(_count_strings(item, depth + 1) for item in value.values())
    if kind is list and value and type(_first_leaf(value, depth)) in {str, dict}:
        return sum(_count_strings(item, depth + 1) for item in value)
    return 0


def _first_leaf(value: Any, depth: int) -> Any:
    while type(value) is list and value:
        if depth > MAX_DEPTH:
            raise Invalid(f"the body is nested deeper than {MAX_DEPTH} levels", field="body")
        value = value[0]
        depth += 1
    return value


def _refuse_duplicates(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_object)
    except RecursionError as error:
        raise Invalid(f"the body is nested deeper than {MAX_DEPTH} levels", field="body") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = _first_duplicate(name for name, _ in pairs)
        raise Invalid(f"the key '{twice}' is there twice", field=twice)
    return found


def _first_duplicate(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("fewer keys than pairs have one twice")

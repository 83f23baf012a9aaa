"""Tensors as JSON: a list of all elements in row-major order, or lists within lists.

Pure. Integers are taken for floats, floats are not taken for integers, and nothing is rounded into range.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from service.domain import Array
from service.errors import Invalid
from service.protocols.oip.datatypes import BYTES, JSONLESS, NUMPY

_ELEMENTS: dict[str, frozenset[type]] = {
    "f": frozenset({float, int}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool, int}),
}


def decode(name: str, datatype: str, shape: tuple[int, ...], data: Any) -> Array:
    """Return the array of input `name`; raises Invalid."""
    if datatype in JSONLESS:
        raise _wrong(
            name,
            f"sending {datatype} data via JSON is not supported. Please use the binary data format for input '{name}'",
        )
    elements = _flat(name, shape, data if isinstance(data, list) else [data])
    if datatype == BYTES:
        return _texts(name, shape, elements)
    dtype = NUMPY[datatype]
    if not _ELEMENTS[dtype.kind].issuperset(map(type, elements)):
        raise _wrong(name, f"input '{name}': expected elements of {datatype} in data")
    if dtype.kind == "b" and not {0, 1}.issuperset(elements):
        raise _wrong(name, f"input '{name}': expected true and false, or 1 and 0, for BOOL")
    try:
        with np.errstate(over="ignore"):
            array: Array = np.array(elements, dtype)
    except OverflowError as error:
        raise _wrong(name, f"input '{name}': an element does not fit {datatype}") from error
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise _wrong(name, f"input '{name}': an element does not fit {datatype}")
    return array.reshape(shape)


def _flat(name: str, shape: tuple[int, ...], data: list[Any]) -> list[Any]:
    """Return the elements; nested lists must have the shape that the caller says, a flat one its count."""
    count = math.prod(shape)
    level = data
    if len(shape) > 1 and data and isinstance(data[0], list):
        for axis, size in enumerate(shape[1:]):
            even = len(level) == math.prod(shape[: axis + 1])
            even = even and all(type(item) is list and len(item) == size for item in level)
            if not even:
                raise _wrong(name, f"input '{name}': data does not have the shape {list(shape)}")
            level = list(chain.from_iterable(level))
    if len(level) != count and not _is_empty(data, count):
        raise _wrong(
            name,
            f"input '{name}': got {len(level)} elements in data, expected {count} for shape {list(shape)}",
        )
    return level if count else []


def _is_empty(data: list[Any], count: int) -> bool:
    """Say whether lists hold no element where none is expected, however they are nested."""
    level = data
    while not count and level and all(type(item) is list for item in level):
        level = list(chain.from_iterable(level))
    return not count and not level


def _texts(name: str, shape: tuple[int, ...], elements: list[Any]) -> Array:
    if not all(type(element) is str for element in elements):
        raise _wrong(name, f"input '{name}': expected strings for BYTES")
    texts = np.empty(len(elements), object)
    texts[:] = elements
    return texts.reshape(shape)


def encode(name: str, datatype: str, array: Array) -> Any:
    """Return the elements of output `name` as orjson takes them; what is not a finite number becomes null.

    Raises Invalid for a datatype that JSON has no form for.
    """
    if datatype in JSONLESS:
        raise Invalid(
            f"sending {datatype} data via JSON is not supported. "
            f"Please use the binary data format for output '{name}'",
            field="outputs",
        )
    flat = array.ravel()
    if datatype == BYTES:
        return [
            each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)
            for each in flat.tolist()
        ]
    return np.ascontiguousarray(flat)


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(message, field=f"inputs.{name}")

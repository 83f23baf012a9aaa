"""JSON values to arrays as TensorFlow Serving makes them, and its texts for those that are none.

The shape is that of the value itself; whether it is the signature's, others say. Knows no body and no model.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection
from itertools import chain, compress, count
from typing import Any, NoReturn

import numpy as np

from service.domain import Array
from service.protocols.tfserving.json_text import kind_of, shown
from service.tasks import nesting

DTYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}
"""What TensorFlow calls a dtype, where that is not its name here."""

_TYPES: dict[str, frozenset[type]] = {
    "f": frozenset({int, float}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
    "O": frozenset({str, dict}),
}
_LARGEST_INTEGER = {"float16": 2**24 - 1, "float32": 2**24 - 1, "float64": 2**53 - 1}
"""Whole numbers beyond these are refused for floats: not all of them are floats."""


class MisfitError(Exception):
    """A value is no tensor; `element` is where along its first axis, `text` why."""

    def __init__(self, element: int, text: str) -> None:
        super().__init__(text)
        self.element = element
        self.text = text


def is_base64(value: object) -> bool:
    """Say whether `value` is an object whose only key is `b64`."""
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def to_array(value: Any, dtype: str) -> Array:
    """Return `value` as an array of a manifest's dtype; strings are an object array of str and bytes.

    Raises MisfitError.
    """
    shape = nesting.shape_of(value)
    leaves = _leaves(value, shape)
    flat = _Leaves(leaves, shape, dtype).to_array()
    return flat.reshape(shape)


def _leaves(value: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return the elements of even lists in their order, without a loop of our own."""
    level = [value]
    for depth, size in enumerate(shape):
        kinds = set(map(type, level))
        if kinds - {list}:
            at = _first(kinds - {list}, level)
            _misfit(at, shape[:depth], _wrong_level(level[at], depth, len(shape)))
        if level and set(map(len, level)) != {size}:
            at = next(compress(count(), map(size.__ne__, map(len, level))))
            _misfit(
                at,
                shape[:depth],
                f"Encountered list at unexpected size: {len(level[at])} at level: {depth} expected size: {size}",
            )
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        rank = len(shape)
        at = _first({list}, level)
        _misfit(at, shape, f"Encountered list at unexpected level: {rank} expected < {rank}")
    return level


def _wrong_level(value: Any, depth: int, rank: int) -> str:
    return (
        f"JSON Value: {shown(value)} found at incorrect level: {depth + 1} in the JSON DOM. "
        f"Expected at level: {rank}"
    )


class _Leaves:
    """The elements of one tensor on their way to become an array of `dtype`."""

    def __init__(self, leaves: list[Any], shape: tuple[int, ...], dtype: str) -> None:
        self._leaves = leaves
        self._shape = shape
        self._name = dtype
        self._dtype = np.dtype(object) if dtype == "string" else np.dtype(dtype)
        self._kinds = set(map(type, leaves))

    def to_array(self) -> Array:
        wrong = self._kinds - _TYPES[self._dtype.kind]
        if wrong:
            self._refuse_type(_first(wrong, self._leaves))
        if self._dtype.kind == "O":
            return self._texts()
        return self._floats() if self._dtype.kind == "f" else self._integers()

    def _texts(self) -> Array:
        array = np.empty(len(self._leaves), object)
        array[:] = [
            leaf if type(leaf) is str else self._decoded(leaf, at) for at, leaf in enumerate(self._leaves)
        ]
        return array

    def _decoded(self, leaf: Any, at: int) -> bytes:
        if not is_base64(leaf):
            self._refuse(at, f"JSON Value: {shown(leaf)} not formatted correctly for base64 data")
        text = "".join(leaf["b64"].split()).rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            self._refuse(at, "Unable to base64 decode")

    def _integers(self) -> Array:
        try:
            return np.array(self._leaves, self._dtype)
        except OverflowError:
            bounds = np.iinfo(self._name)
            within = range(int(bounds.min), int(bounds.max) + 1)
            self._refuse_type(next(at for at, leaf in enumerate(self._leaves) if leaf not in within))

    def _floats(self) -> Array:
        try:
            wide: Array = np.array(self._leaves, np.float64)
        except OverflowError:  # an integer beyond every float
            self._refuse_loss(next(at for at, leaf in enumerate(self._leaves) if abs(leaf) >= 2**1023))
        with np.errstate(over="ignore"):
            array = wide if self._name == "float64" else wide.astype(self._dtype)
        lost = np.isinf(array) & np.isfinite(wide)
        if int in self._kinds:
            large = np.abs(wide) > _LARGEST_INTEGER[self._name]
            if large.any():
                for at in np.flatnonzero(large).tolist():
                    if type(self._leaves[at]) is int:
                        self._refuse_loss(at)
        if lost.any():
            self._refuse_loss(int(np.argmax(lost)))
        return array

    def _refuse_loss(self, at: int) -> NoReturn:
        name = DTYPE_NAMES[self._name]
        self._refuse(
            at,
            f"Cannot convert JSON value: {shown(self._leaves[at])} to {name} without loss of precision.",
        )

    def _refuse_type(self, at: int) -> NoReturn:
        leaf, name = self._leaves[at], DTYPE_NAMES.get(self._name, self._name)
        self._refuse(at, f"JSON Value: {shown(leaf)} Type: {kind_of(leaf)} is not of expected type: {name}")

    def _refuse(self, at: int, text: str) -> NoReturn:
        _misfit(at, self._shape, text)


def _first(kinds: Collection[type], values: list[Any]) -> int:
    return next(compress(count(), map(kinds.__contains__, map(type, values))))


def _misfit(at: int, shape: tuple[int, ...], text: str) -> NoReturn:
    """Raise for element `at` of even lists of `shape`, counted in their order."""
    raise MisfitError(at // math.prod(shape[1:]) if len(shape) else 0, text)

"""Rows of named features, each by position or by name, as one array.

Knows names and numbers. Knows nothing of what is done with a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from service.domain import Array
from service.errors import Invalid
from service.tasks import nesting

_NUMBERS = frozenset({float, int})


class FeatureRows:
    """Makes arrays [rows, features] for one set of feature names; made once, used for every request."""

    def __init__(self, names: Sequence[str], dtype: str) -> None:
        self._names = tuple(names)
        self._known = frozenset(names)
        self._dtype = np.dtype(dtype)

    def __call__(
        self, rows: Sequence[Sequence[float] | Mapping[str, float]], field_of: Callable[[int], str]
    ) -> Array:
        """Return the rows as an array; `field_of` names a row in errors.

        Raises Invalid with field `<row>` or `<row>.<feature>` for the first row that has not exactly one
        finite number for each feature.
        """
        lists = [self._by_position(row, index, field_of) for index, row in enumerate(rows)]
        array = self._array(lists)
        if array is None:
            raise self._blame(lists, field_of)
        return array

    def _array(self, lists: Sequence[Sequence[Any]]) -> Array | None:
        if not _NUMBERS.issuperset(map(type, chain.from_iterable(lists))):
            return None
        try:
            with np.errstate(over="ignore"):
                array: Array = np.array(lists, self._dtype)
        except OverflowError:  # an integer beyond every float
            return None
        return array if np.isfinite(array).all() else None

    def _by_position(self, row: Any, index: int, field_of: Callable[[int], str]) -> list[Any]:
        if isinstance(row, Mapping):
            return self._by_name(row, field_of(index))
        if isinstance(row, np.ndarray):
            row = row.tolist()
        if not isinstance(row, list | tuple):
            raise Invalid(
                f"expected a list of numbers or an object from names to numbers, got {nesting.kind_of(row)}",
                field=field_of(index),
            )
        if len(row) != len(self._names):
            raise Invalid(f"expected {len(self._names)} numbers, got {len(row)}", field=field_of(index))
        return list(row)

    def _by_name(self, row: Mapping[str, Any], field: str) -> list[Any]:
        if row.keys() != self._known:
            expected = ", ".join(self._names)
            for name in row:
                if name not in self._known:
                    raise Invalid(f"unknown feature '{name}'; expected {expected}", field=f"{field}.{name}")
            missing = next(name for name in self._names if name not in row)
            raise Invalid(f"missing feature '{missing}'; expected {expected}", field=f"{field}.{missing}")
        return [row[name] for name in self._names]

    def _blame(self, lists: Sequence[Sequence[Any]], field_of: Callable[[int], str]) -> Invalid:
        """Return the error of the first element that is no number, or none that fits."""
        for index, row in enumerate(lists):
            for name, value in zip(self._names, row, strict=True):
                field = f"{field_of(index)}.{name}"
                if type(value) not in _NUMBERS:
                    return Invalid(
                        f"feature '{name}': expected a number, got {nesting.kind_of(value)}", field=field
                    )
                if not self._holds(value):
                    return Invalid(
                        f"feature '{name}': expected a finite number that fits {self._dtype}", field=field
                    )
        raise AssertionError("rows that make no array have an element that is to blame")

    def _holds(self, value: float) -> bool:
        try:
            with np.errstate(over="ignore"):
                return math.isfinite(np.array(value, self._dtype).item())
        except OverflowError:
            return False

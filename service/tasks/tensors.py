"""Turn what a caller gave for a tensor, nested lists or an array, into an array of its dtype and rank.

Knows dtypes and the manifest's ranges. Knows no signature: whether the sizes of several inputs agree, the
engine says.

Rules: integers are taken for floats, floats are not taken for integers, booleans are booleans only, nothing is
rounded into range. Lists must be finite, because JSON has no other numbers; an array may hold NaN and infinity
unless the manifest gives a range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from service.bundle import Tensor
from service.domain import Array
from service.errors import Invalid
from service.tasks import nesting

_ELEMENTS: dict[str, frozenset[type]] = {
    "f": frozenset({float, int}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "b": frozenset({bool}),
    "O": frozenset({str}),
}
_CASTS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b", "O": "USO"}
"""Kinds of arrays that are taken for a kind of tensor."""


class TensorCoercion:
    """Makes arrays for one tensor; made once, used for every request.

    Errors name `subject` («input 'x'») in the message and have `field`. For a tensor of declared kind
    `token_ids` or of integers, `range` is enforced.
    """

    def __init__(self, tensor: Tensor, *, subject: str, field: str) -> None:
        self._subject = subject
        self._field = field
        self._shape = [axis if isinstance(axis, int) else -1 for axis in tensor.shape]
        self._rank = len(tensor.shape)
        self._name = tensor.dtype
        self._dtype = np.dtype(object) if tensor.dtype == "string" else np.dtype(tensor.dtype)
        self._kind = self._dtype.kind
        self._types = _ELEMENTS[self._kind]
        self._surely_fits = float(np.finfo(self._name).max) / 2 if self._kind == "f" else 0.0
        self._levels = range(self._rank - 1)
        self._finite = tensor.range is not None
        self._range = tensor.range if self._kind in "iu" else None

    def __call__(self, value: Any) -> Array:
        """Return an array of the tensor's dtype and rank; raises Invalid."""
        if isinstance(value, np.ndarray):
            return self._from_array(value)
        if isinstance(value, list) and self._rank:
            return self._from_list(value)
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return self._from_list(list(value)) if self._rank else self._refuse_shape(nesting.shape_of(value))
        return self._from_scalar(value)

    def _from_list(self, value: list[Any]) -> Array:
        try:
            leaves: Any = value
            for _ in self._levels:
                leaves = chain.from_iterable(leaves)
            if not self._types.issuperset(map(type, leaves)):
                self._explain(value)
            with np.errstate(all="ignore"):
                array: Array = np.array(value, self._dtype)
                fits = array.ndim == self._rank and (self._kind != "f" or _is_finite(array))
        except (
            TypeError,
            ValueError,
            OverflowError,
        ):  # not deep enough, uneven, an integer that does not fit
            self._explain(value)
        if not fits:
            self._explain(value)
        if self._kind == "O":
            self._check_text(array)
        elif self._range is not None:
            self._check_range(array)
        return array

    def _from_scalar(self, value: Any) -> Array:
        if isinstance(value, np.generic):
            return self._from_array(np.asarray(value))
        if type(value) not in self._types:
            wanted = "a list" if self._rank else self._name
            self._refuse(f"expected {wanted}, got {nesting.kind_of(value)}")
        if self._rank:
            self._refuse_shape(())
        if self._does_not_fit(value):
            self._refuse(f"{_show(value)} does not fit {self._name}")
        with np.errstate(all="ignore"):
            array = np.array(value, self._dtype)
        if self._kind == "O":
            self._check_text(array)
        elif self._range is not None:
            self._check_range(array)
        return array

    def _from_array(self, value: Array) -> Array:
        if value.dtype.kind not in _CASTS[self._kind]:
            self._refuse(f"expected dtype {self._name}, got {value.dtype}")
        if value.ndim != self._rank:
            self._refuse_shape(value.shape)
        if self._kind == "O":
            return self._texts(value)
        array = value if value.dtype == self._dtype else self._cast(value)
        if self._range is not None:
            self._check_range(array)
        if self._finite and self._kind == "f" and not np.isfinite(array).all():
            self._refuse("expected finite numbers, got NaN or infinity")
        return array

    def _cast(self, value: Array) -> Array:
        with np.errstate(over="ignore"):
            array = value.astype(self._dtype)
        if self._kind == "f":
            if bool((np.isinf(array) & np.isfinite(value)).any()):
                self._refuse(f"expected numbers that fit {self._name}, got {value.dtype} beyond it")
        elif value.size:
            lowest, highest = int(value.min()), int(value.max())
            bounds = np.iinfo(self._name)
            if lowest < bounds.min or highest > bounds.max:
                self._refuse(
                    f"{lowest if lowest < bounds.min else highest} does not fit {self._name}, "
                    f"expected {bounds.min} to {bounds.max}"
                )
        return array

    def _texts(self, value: Array) -> Array:
        array = value.astype(object)
        flat = array.reshape(-1)
        for position, element in enumerate(flat):
            if isinstance(element, bytes):
                try:
                    flat[position] = element.decode()
                except UnicodeDecodeError:
                    self._refuse(f"element {position} is not valid UTF-8")
            elif not isinstance(element, str):
                self._refuse(f"expected strings, got {nesting.kind_of(element)} at element {position}")
        self._check_text(array)
        return array

    def _check_range(self, array: Array) -> None:
        assert self._range is not None
        if not array.size:
            return
        lowest, highest = int(array.min()), int(array.max())
        if lowest < self._range[0] or highest >= self._range[1]:
            wrong = lowest if lowest < self._range[0] else highest
            at = "".join(f"[{index}]" for index in np.argwhere(array == wrong)[0])
            self._refuse(
                f"{wrong} at {at} is out of range, expected {self._range[0]:g} to {self._range[1] - 1:g}"
            )

    def _check_text(self, array: Array) -> None:
        try:
            "".join(array.ravel().tolist()).encode()
        except UnicodeEncodeError:
            self._refuse("expected valid Unicode, got a lone surrogate")

    def _explain(self, value: list[Any]) -> NoReturn:
        """Say what is wrong with a list that is no array of the right kind."""
        shape = nesting.shape_of(value)
        if len(shape) != self._rank:
            self._refuse_shape(shape)
        uneven = nesting.unevenness(value, shape)
        if uneven is not None:
            self._refuse(f"uneven list: {uneven}")
        wrong = nesting.first_element(value, shape, lambda element: type(element) not in self._types)
        if wrong is not None:
            self._refuse(f"expected {self._name}, got {nesting.kind_of(wrong[1])} at {wrong[0]}")
        wrong = nesting.first_element(value, shape, self._does_not_fit)
        if wrong is not None:
            self._refuse(f"{_show(wrong[1])} at {wrong[0]} does not fit {self._name}")
        self._refuse(f"expected nested lists of {self._name}")

    def _does_not_fit(self, element: Any) -> bool:
        if self._kind == "f":
            # Nearly all fit by far: only those at the limit need to be converted to know.
            if -self._surely_fits <= element <= self._surely_fits:
                return False
            try:
                with np.errstate(all="ignore"):
                    return not math.isfinite(np.array(element, self._dtype).item())
            except OverflowError:
                return True
        if self._kind in "iu":
            bounds = np.iinfo(self._name)
            return not bounds.min <= element <= bounds.max
        return False

    def _refuse_shape(self, shape: tuple[int, ...]) -> NoReturn:
        self._refuse(f"expected shape {self._shape}, got {list(shape)}")

    def _refuse(self, what: str) -> NoReturn:
        raise Invalid(f"{self._subject}: {what}", field=self._field)


def _is_finite(array: Array) -> bool:
    # A dot product looks at a short array several times faster than isfinite does; only if it overflows, or
    # there is something to find, is a second look needed.
    flat = array.ravel()
    return math.isfinite(flat.dot(flat)) or bool(np.isfinite(flat).all())


def _show(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    return "NaN" if value != value else str(value)  # noqa: PLR0124  # only NaN differs from itself

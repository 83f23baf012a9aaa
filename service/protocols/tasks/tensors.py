"""The tensor message and arrays, in both directions.

Pure. Believes nothing that a message says of its size before it has been compared with what the message holds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pb import tasks_pb2
from service.domain import Array
from service.errors import Invalid

MAX_RANK = 8
MAX_ELEMENTS = 2**31 - 1

_FORMS = {
    "float16": "floats", "float32": "floats", "float64": "doubles",
    "int8": "ints", "int16": "ints", "int32": "ints", "int64": "ints",
    "uint8": "uints", "uint16": "uints", "uint32": "uints", "uint64": "uints",
    "bool": "bools", "string": "strings",
}  # fmt: skip
_REPEATED = ("floats", "doubles", "ints", "uints", "bools", "strings")


def decode(tensor: Any, field: str) -> Array:
    """Return the array that a `Tensor` message is; strings become an object array of str.

    Raises Invalid with `field`, the path of the tensor, or with the part of it that is wrong.
    """
    form = _FORMS.get(tensor.dtype)
    if form is None:
        raise Invalid(f"expected one of {', '.join(_FORMS)}", field=f"{field}.dtype")
    shape = tuple(tensor.shape)
    count = _count(shape, f"{field}.shape")
    given = [name for name in _REPEATED if len(getattr(tensor, name))]
    if tensor.raw:
        given.append("raw")
    if len(given) > 1:
        raise Invalid(f"expected the elements in one field, got {' and '.join(sorted(given))}", field=field)
    if tensor.raw:
        return _from_raw(tensor, shape, count, field)
    if given and given[0] != form:
        expected = form if form == "strings" else f"raw or {form}"
        raise Invalid(f"the elements of {tensor.dtype} belong in {expected}, not {given[0]}", field=field)
    values = getattr(tensor, form)
    if len(values) != count:
        raise Invalid(f"expected {count} elements for shape {list(shape)}, got {len(values)}", field=field)
    return _from_values(tensor.dtype, values, shape, field)


def _count(shape: tuple[int, ...], field: str) -> int:
    if len(shape) > MAX_RANK:
        raise Invalid(f"expected at most {MAX_RANK} axes, got {len(shape)}", field=field)
    if any(size < 0 for size in shape):
        raise Invalid(f"expected sizes of 0 or more, got {list(shape)}", field=field)
    count = math.prod(shape)
    if count > MAX_ELEMENTS or any(size > MAX_ELEMENTS for size in shape):
        raise Invalid(f"expected at most {MAX_ELEMENTS} elements, got shape {list(shape)}", field=field)
    return count


def _from_raw(tensor: Any, shape: tuple[int, ...], count: int, field: str) -> Array:
    if tensor.dtype == "string":
        raise Invalid("strings belong in strings, not raw", field=field)
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    expected_bytes = count * dtype.itemsize
    if len(tensor.raw) != expected_bytes:
        raise Invalid(
            f"expected {expected_bytes} bytes for {tensor.dtype} {list(shape)}, got {len(tensor.raw)}",
            field=f"{field}.raw",
        )
    if tensor.dtype == "bool":
        bits = np.frombuffer(tensor.raw, np.uint8)
        if bits.max(initial=0) > 1:
            raise Invalid("expected bytes of 0 and 1 for bool", field=f"{field}.raw")
    return np.frombuffer(tensor.raw, dtype).reshape(shape)


def _from_values(dtype: str, values: Any, shape: tuple[int, ...], field: str) -> Array:
    if dtype == "string":
        texts = np.empty(len(values), object)
        texts[:] = list(values)
        return texts.reshape(shape)
    if dtype.startswith(("int", "uint")):
        bounds = np.iinfo(dtype)
        wide = np.array(values, np.uint64 if dtype.startswith("u") else np.int64)
        if wide.size and not bounds.min <= int(wide.min()) <= int(wide.max()) <= bounds.max:
            raise Invalid(f"expected numbers of {dtype}, {bounds.min} to {bounds.max}", field=field)
        return wide.astype(dtype).reshape(shape)
    array = np.array(values, dtype=np.float32 if dtype == "float16" else dtype).reshape(shape)
    return _half(array, field) if dtype == "float16" else array


def _half(array: Array, field: str) -> Array:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if np.any(np.isinf(half) & np.isfinite(array)):
        raise Invalid("expected numbers of float16, -65504 to 65504", field=field)
    return half


def encode(array: Array) -> Any:
    """Return the `Tensor` message of an array: `raw`, or `strings` for strings."""
    shape = array.shape
    if array.dtype.kind in "OSU":
        texts = [_text(value) for value in array.ravel()]
        return tasks_pb2.Tensor(dtype="string", shape=shape, strings=texts)
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return tasks_pb2.Tensor(dtype=array.dtype.newbyteorder("=").name, shape=shape, raw=little.tobytes())


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

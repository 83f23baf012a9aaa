"""`TensorProto` and arrays, in both directions.

Pure. Believes nothing that a message says of its size before it has been compared with what the message holds,
and fills what is left out only within bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pb import tensorflow_pb2
from service.domain import Array
from service.errors import Invalid, TooLarge
from service.protocols.tfserving.signatures import DATA_TYPES, DTYPES

MAX_RANK = 32
_STRING_BYTES = 64
"""What one element of a filled string tensor is counted as: more than its pointer, for it is looked at."""

_FIELDS = {
    "float32": "float_val", "float64": "double_val", "float16": "half_val", "bool": "bool_val",
    "int8": "int_val", "int16": "int_val", "int32": "int_val", "int64": "int64_val",
    "uint8": "int_val", "uint16": "int_val", "uint32": "uint32_val", "uint64": "uint64_val",
    "string": "string_val",
}  # fmt: skip
_WIDE = {"int_val": np.int32, "half_val": np.int32}
_PACKED = {"float32": 5, "float64": 6, "bool": 11}
"""Fields whose packed form is the array's own bytes."""


def dtype_name(number: int) -> str:
    """Return TensorFlow's name of a `DataType`, known or not."""
    try:
        name: str = tensorflow_pb2.DataType.Name(number)
    except ValueError:
        return str(number)
    return name


def decode_all(tensors: Mapping[str, Any], max_bytes: int) -> dict[str, Array]:
    """Return the arrays of all inputs of a message.

    Raises Invalid with field `inputs.<name>`, TooLarge if what is to be filled is beyond `max_bytes`.
    """
    left = max_bytes
    arrays = {}
    for name, tensor in tensors.items():
        left -= _claimed_bytes(tensor, f"inputs.{name}")
        if left < 0:
            raise TooLarge(f"the inputs are larger than {max_bytes} bytes", field=f"inputs.{name}")
        arrays[name] = decode(tensor, f"inputs.{name}")
    return arrays


def _claimed_bytes(tensor: Any, field: str) -> int:
    dtype = _dtype(tensor, field)
    return math.prod(_shape(tensor, field)) * (
        _STRING_BYTES if dtype == "string" else np.dtype(dtype).itemsize
    )


def decode(tensor: Any, field: str) -> Array:
    """Return the array that a `TensorProto` is; strings are an object array of bytes.

    Elements are in `tensor_content`, or in the field of the dtype, whose last value stands for all that are
    left out; if none is there, all are zero. Raises Invalid with `field`. Call `decode_all` for what comes
    from outside: this one believes the shape.
    """
    dtype = _dtype(tensor, field)
    shape = _shape(tensor, field)
    count = math.prod(shape)
    if tensor.tensor_content:
        if dtype == "string":
            return _encoded_strings(tensor.tensor_content, count, field).reshape(shape)
        return _from_content(tensor.tensor_content, np.dtype(dtype), count, field).reshape(shape)
    values = getattr(tensor, _FIELDS[dtype])
    if len(values) > count:
        raise Invalid(
            f"expected at most {count} values for shape {list(shape)}, got {len(values)}", field=field
        )
    if len(values) < count:
        return _filled(_array(values, dtype, field), dtype, count).reshape(shape)
    return _array(values, dtype, field).reshape(shape)


def _dtype(tensor: Any, field: str) -> str:
    dtype = DTYPES.get(tensor.dtype)
    if dtype is None:
        raise Invalid(f"tensors of {dtype_name(tensor.dtype)} are not served", field=field)
    return dtype


def _shape(tensor: Any, field: str) -> tuple[int, ...]:
    if tensor.tensor_shape.unknown_rank:
        raise Invalid("expected a shape of known rank", field=field)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if len(shape) > MAX_RANK:
        raise Invalid(f"expected at most {MAX_RANK} axes, got {len(shape)}", field=field)
    # Zeros must not hide sizes that no array can have.
    if any(size < 0 for size in shape) or math.prod(max(size, 1) for size in shape) >= 2**48:
        raise Invalid(f"expected a shape of sizes that fit, got {list(shape)}", field=field)
    return shape


def _from_content(content: bytes, dtype: np.dtype[Any], count: int, field: str) -> Array:
    if len(content) != count * dtype.itemsize:
        raise Invalid(
            f"expected {count * dtype.itemsize} bytes of tensor_content, got {len(content)}", field=field
        )
    if dtype.kind == "b" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise Invalid("expected bytes of 0 and 1 for DT_BOOL", field=field)
    return np.frombuffer(content, dtype.newbyteorder("<"))


def _encoded_strings(content: bytes, count: int, field: str) -> Array:
    """Return strings that were encoded as all their lengths, as varints, and then all their bytes."""
    wrong = Invalid(f"tensor_content does not hold {count} strings", field=field)
    if count > len(content):
        raise wrong
    lengths, at = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if at >= len(content) or shift > 28:
                raise wrong
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise wrong
    texts = np.empty(count, object)
    for index, length in enumerate(lengths):
        texts[index] = content[at : at + length]
        at += length
    return texts


def _array(values: Any, dtype: str, field: str) -> Array:
    if dtype == "string":
        texts = np.empty(len(values), object)
        texts[:] = list(values)
        return texts
    if dtype in _PACKED:
        return _unpacked(values, dtype)
    array = np.fromiter(values, _WIDE.get(_FIELDS[dtype], np.dtype(dtype)), len(values))
    if dtype == "float16":
        return _checked(array, np.dtype(np.uint16), field).view(np.float16)
    return _checked(array, np.dtype(dtype), field) if array.dtype != dtype else array


def _unpacked(values: Any, dtype: str) -> Array:
    """Return a packed field as an array: written again by itself, its elements are the last of its bytes."""
    alone = tensorflow_pb2.TensorProto()
    getattr(alone, _FIELDS[dtype]).MergeFrom(values)
    content = alone.SerializeToString()
    kind = np.dtype(dtype).newbyteorder("<")
    start = len(content) - len(values) * kind.itemsize
    return np.frombuffer(content, kind, len(values), start).astype(dtype)  # a copy: aligned


def _checked(array: Array, dtype: np.dtype[Any], field: str) -> Array:
    bounds = np.iinfo(dtype)
    if array.size and not bounds.min <= int(array.min()) <= int(array.max()) <= bounds.max:
        raise Invalid(f"expected values of {bounds.min} to {bounds.max}", field=field)
    return array.astype(dtype)


def _filled(given: Array, dtype: str, count: int) -> Array:
    nothing: Any = b"" if dtype == "string" else 0
    filled = np.full(count, given[-1] if len(given) else nothing, given.dtype)
    filled[: len(given)] = given
    return filled


def encode(array: Array) -> Any:
    """Return the `TensorProto` of an array, its elements in the field of their dtype, as TensorFlow Serving."""
    if array.dtype.kind in "OSU":
        return _message("string", array.shape, string_val=[_bytes(value) for value in array.ravel()])
    dtype = array.dtype.newbyteorder("=").name
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if dtype in _PACKED:
        message = _message(dtype, array.shape)
        if array.size:
            # What is packed has a fixed size each: these are the bytes of the field.
            content = little.tobytes()
            message.MergeFromString(bytes([_PACKED[dtype] << 3 | 2]) + _varint(len(content)) + content)
        return message
    values = little.view(np.uint16) if dtype == "float16" else little
    return _message(dtype, array.shape, **{_FIELDS[dtype]: values.ravel().tolist()})


def _message(dtype: str, shape: tuple[int, ...], **values: Any) -> Any:
    dims = [tensorflow_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    return tensorflow_pb2.TensorProto(
        dtype=DATA_TYPES[dtype], tensor_shape=tensorflow_pb2.TensorShapeProto(dim=dims), **values
    )


def _varint(number: int) -> bytes:
    pieces = bytearray()
    while number >= 0x80:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")

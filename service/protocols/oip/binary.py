"""Tensors as bytes: little-endian, C order; BYTES as a length of four bytes and then the bytes, one by one.

Pure. Believes no claimed size before it has been compared with the bytes that are there.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from service.domain import Array
from service.errors import Invalid
from service.protocols.oip.datatypes import BF16, BYTES, NUMPY

_LENGTH = struct.Struct("<I")


def decode(name: str, datatype: str, shape: tuple[int, ...], data: bytes | memoryview) -> Array:
    """Return the array of input `name`, without a copy where there is nothing to convert.

    BYTES become an object array of bytes; BF16 becomes float32, which holds each of its values; any byte but 0 is
    true for BOOL. Raises Invalid.
    """
    if datatype == BYTES:
        return _elements(name, data, math.prod(shape)).reshape(shape)
    if datatype == BF16:
        _check_size(name, math.prod(shape) * 2, data)
        widened = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return widened.view(np.float32).reshape(shape)
    dtype = NUMPY[datatype]
    _check_size(name, math.prod(shape) * dtype.itemsize, data)
    if dtype.kind == "b" and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        truth: Array = np.frombuffer(data, np.uint8) != 0  # perf_analyzer sends any bytes
        return truth.reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


def _check_size(name: str, expected_bytes: int, data: bytes | memoryview) -> None:
    if len(data) != expected_bytes:
        raise Invalid(
            f"input byte size mismatch for input '{name}'. Expected {expected_bytes}, got {len(data)}",
            field=f"inputs.{name}",
        )


def _elements(name: str, data: bytes | memoryview, count: int) -> Array:
    """Return the elements of BYTES; raises Invalid unless there are `count`, and nothing else."""
    if count > len(data) // 4:
        raise Invalid(
            f"expected {count} strings for input '{name}', got {len(data)} bytes, "
            "which cannot hold the lengths of so many",
            field=f"inputs.{name}",
        )
    elements = np.empty(count, object)
    view = memoryview(data)
    at = 0
    for index in range(count):
        end = at + 4
        if end > len(view):
            raise _incomplete(name, index)
        at, end = end, end + _LENGTH.unpack_from(view, at)[0]
        if end > len(view):
            raise _incomplete(name, index)
        elements[index] = bytes(view[at:end])
        at = end
    if at != len(view):
        raise Invalid(
            f"input byte size mismatch for input '{name}'. {count} strings take {at} bytes, got {len(view)}",
            field=f"inputs.{name}",
        )
    return elements


def _incomplete(name: str, index: int) -> Invalid:
    return Invalid(
        f"incomplete string data for input '{name}': the bytes end within element {index}",
        field=f"inputs.{name}",
    )


def encode(array: Array) -> bytes:
    """Return an array as bytes; text becomes UTF-8."""
    if array.dtype.kind in "OSU":
        encoded = (_bytes(element) for element in array.ravel().tolist())
        return b"".join(part for each in encoded for part in (_LENGTH.pack(len(each)), each))
    little = array if array.dtype.isnative and _LITTLE else array.astype(array.dtype.newbyteorder("<"))
    return little.tobytes()


_LITTLE = bool(np.dtype("<u2").isnative)


def _bytes(element: object) -> bytes:
    return element if isinstance(element, bytes) else str(element).encode("utf-8", "replace")

"""Arrays as TensorFlow Serving's JSON: `predictions` by row, or `outputs` by name.

Pure. NaN and infinities are written as the bare words that its clients read; knows no HTTP and no model.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from service.domain import Array, Tensors
from service.errors import Invalid
from service.protocols import http

BYTES_SUFFIX = "_bytes"
"""Text outputs whose name ends so are answered as `{"b64": ...}`."""

_DUMP = orjson.OPT_SERIALIZE_NUMPY
_NULL = re.compile(rb"null")


def by_row(outputs: Tensors) -> bytes:
    """Return the answer to `instances`: values with one output, objects with several.

    Raises Invalid if the outputs have not the same number of rows.
    """
    rows = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise Invalid(f"Tensor name: {name} has no shape information ", field="instances")
        if rows not in {-1, len(array)}:
            raise Invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}",
                field="instances",
            )
        rows = len(array)
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return b'{"predictions":' + encode(array, name) + b"}"
    if all(map(_is_plain, outputs.values())):
        columns = zip(*outputs.values(), strict=True)
        objects = [dict(zip(outputs, row, strict=True)) for row in columns]
        return orjson.dumps({"predictions": objects}, default=np.ascontiguousarray, option=_DUMP)
    return b'{"predictions":[' + b",".join(_object(outputs, row) for row in range(rows)) + b"]}"


def by_column(outputs: Tensors) -> bytes:
    """Return the answer to `inputs`: the value of the one output, or an object of several."""
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return b'{"outputs":' + encode(array, name) + b"}"
    return b'{"outputs":' + _members(outputs) + b"}"


def results(values: Array, labels: Sequence[str]) -> bytes:
    """Return the answer to `examples`: a score each, or with `labels` a list of `[label, score]` each."""
    if not labels:
        return b'{"results":' + encode(values, "") + b"}"
    names = [orjson.dumps(label) for label in labels]
    rows = (
        b"[" + b",".join(b"[%b,%b]" % pair for pair in zip(names, map(_number, row), strict=True)) + b"]"
        for row in values
    )
    return b'{"results":[' + b",".join(rows) + b"]}"


def _number(value: np.generic) -> bytes:
    return encode(np.asarray(value), "")


def _is_plain(array: Array) -> bool:
    """Say whether every element is a JSON number or boolean."""
    return array.dtype.kind in "iub" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))


def _object(outputs: Tensors, row: int) -> bytes:
    return _members({name: np.asarray(array[row]) for name, array in outputs.items()})


def _members(arrays: Mapping[str, Array]) -> bytes:
    return (
        b"{"
        + b",".join(orjson.dumps(name) + b":" + encode(array, name) for name, array in arrays.items())
        + b"}"
    )


def encode(array: Array, name: str) -> bytes:
    """Return an array as nested lists, each number with as many digits as its own dtype needs."""
    if array.dtype.kind in "OSU":
        write = _as_base64 if name.endswith(BYTES_SUFFIX) else _as_text
        return http.printable(_mapped(array.tolist(), write))
    text = orjson.dumps(np.ascontiguousarray(array) if array.ndim else array[()], option=_DUMP)
    if array.dtype.kind != "f":
        return text
    finite = np.isfinite(array)
    if finite.all():
        return text
    # Only what is no finite number became a null, and it did in the array's own order.
    words = map(_word, np.asarray(array)[~finite].tolist())
    return _NULL.sub(lambda _: next(words), text)


def _word(number: float) -> bytes:
    if math.isnan(number):
        return b"NaN"
    return b"Infinity" if number > 0 else b"-Infinity"


def _mapped(value: Any, write: Any) -> Any:
    return [_mapped(item, write) for item in value] if isinstance(value, list) else write(value)


def _as_text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _as_base64(value: str | bytes) -> dict[str, str]:
    content = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    return {"b64": base64.b64encode(content).decode("ascii")}

"""The protocol's datatypes and ours.

Knows names and numpy dtypes. Knows nothing of messages or JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.bundle import DType
from service.errors import Invalid

BYTES = "BYTES"
BF16 = "BF16"
JSONLESS = frozenset({"FP16", BF16})
"""Datatypes without a form in JSON: they travel as binary data only."""

OF_DTYPE: dict[DType, str] = {
    "bool": "BOOL", "string": BYTES, "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip

NUMPY: dict[str, np.dtype[Any]] = {
    datatype: np.dtype(name).newbyteorder("<") for name, datatype in OF_DTYPE.items() if datatype != BYTES
}
"""How the elements of each datatype of fixed size lie in binary data."""

_OF_NUMPY = {np.dtype(name): datatype for name, datatype in OF_DTYPE.items() if datatype != BYTES}


def of_array(dtype: np.dtype[Any]) -> str:
    """Return the datatype of an array that a model gave."""
    return BYTES if dtype.kind in "OSU" else _OF_NUMPY[dtype.newbyteorder("=")]


def check(datatype: object, name: str) -> str:
    """Return the datatype of input `name` if there is one of that name; raises Invalid."""
    if isinstance(datatype, str) and (datatype in NUMPY or datatype in {BYTES, BF16}):
        return datatype
    known = ", ".join((*NUMPY, BYTES, BF16))
    raise Invalid(f"input '{name}': expected a datatype of {known}", field=f"inputs.{name}.datatype")

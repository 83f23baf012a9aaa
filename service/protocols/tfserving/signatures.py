"""Which signature of a model a caller means, and what TensorFlow Serving's clients call its dtypes.

Pure. `serving_default` is the manifest's default signature; every other one is known by its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.bundle import Manifest, Signature

DEFAULT = "serving_default"

DATA_TYPES: Mapping[str, Any] = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7, "int64": 9,
    "bool": 10, "uint16": 17, "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip
"""Numbers of `tensorflow.DataType` by the dtypes of manifests."""

DTYPES: Mapping[int, str] = {number: dtype for dtype, number in DATA_TYPES.items()}


def named(manifest: Manifest) -> dict[str, Signature]:
    """Return all signatures by the names that callers may use."""
    return {DEFAULT: manifest.default, **manifest.signatures}


def own_name(manifest: Manifest, asked: str) -> str | None:
    """Return the manifest's name of the signature that a caller calls `asked`, None if there is none."""
    if asked in manifest.signatures:
        return asked
    return manifest.default_signature if asked in {"", DEFAULT} else None

"""The shape that a caller claims for a tensor, checked before anything is made from it.

Knows axes and counts. Knows no datatype.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from service.errors import Invalid

MAX_RANK = 8
MAX_ELEMENTS = 2**31 - 1


def check(shape: Any, name: str) -> tuple[int, ...]:
    """Return the shape of input `name`; raises Invalid unless it is at most `MAX_RANK` sizes of 0 or more."""
    field = f"inputs.{name}.shape"
    if not isinstance(shape, Iterable) or isinstance(shape, str | bytes | dict):
        raise Invalid(f"input '{name}': expected a list of sizes", field=field)
    sizes = tuple(shape)
    if len(sizes) > MAX_RANK:
        raise Invalid(f"input '{name}': expected at most {MAX_RANK} axes, got {len(sizes)}", field=field)
    if not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in sizes):
        raise Invalid(f"input '{name}': expected sizes of 0 to {MAX_ELEMENTS}", field=field)
    if math.prod(sizes) > MAX_ELEMENTS or math.prod(size or 1 for size in sizes) > MAX_ELEMENTS:
        raise Invalid(f"input '{name}': expected at most {MAX_ELEMENTS} elements", field=field)
    return sizes

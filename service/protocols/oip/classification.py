"""The best classes of an output, as the classification extension writes them: `value:index` or `value:index:label`.

Pure. Knows no model.
"""

from __future__ import annotations

import math

import numpy as np

from service.domain import Array


def best(array: Array, count: int, *, batched: bool, labels: tuple[str, ...]) -> Array:
    """Return the `count` highest elements, best first, as text: of each row [rows, count] if `batched`,
    else of all [count]. Of equal ones the first comes first; fewer elements than `count` give as many.
    """
    rows = array.reshape(len(array) if batched else 1, math.prod(array.shape[1:] if batched else array.shape))
    kept = min(count, rows.shape[1])
    found = np.empty((len(rows), kept), object)
    for row, values in enumerate(rows):
        last = len(values) - 1
        order = last - np.argsort(values[::-1], kind="stable")[::-1]
        for place, index in enumerate(order[:kept].tolist()):
            found[row, place] = _entry(values[index].item(), index, labels)
    return found if batched else found[0]


def _entry(value: float, index: int, labels: tuple[str, ...]) -> str:
    number = f"{value:f}" if isinstance(value, float) else str(int(value))
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{number}:{index}{label}"

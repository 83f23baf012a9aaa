"""Join the tensors of several requests into one run's feeds, and cut its outputs apart again.

Knows rows, axes and pad values. Knows nothing of queues, time or callers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.bundle import Signature
from service.domain import Array
from service.engine.feeds import BATCH, Request, paddable_axes


class OutputRowsError(Exception):
    """An output that the manifest calls batched did not come back with the rows that went in."""


@dataclass(frozen=True, slots=True)
class Merged:
    """One run's feeds; `padding` is the share of elements that were added to make rows equally long."""

    feeds: dict[str, Array]
    rows: int
    padding: float


class Merger:
    """Merges and splits for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._outputs = {tensor.name: tensor for tensor in signature.outputs}
        paddable = paddable_axes(signature)
        self._padded = {
            tensor.name: [(place, axis) for place, axis in enumerate(tensor.shape) if axis in paddable]
            for tensor in signature.outputs
        }

    def merge(self, requests: Sequence[Request]) -> Merged:
        """Return the feeds of one run for requests whose keys agree, rows in the requests' order."""
        if len(requests) == 1:
            return Merged(requests[0].feeds, requests[0].rows, 0.0)
        feeds = {}
        given = 0
        made = 0
        for tensor in self._inputs:
            parts = [request.feeds[tensor.name] for request in requests]
            feeds[tensor.name] = joined = _join(parts, tensor.pad)
            given += sum(part.size for part in parts)
            made += joined.size
        return Merged(feeds, sum(request.rows for request in requests), 1.0 - given / made if made else 0.0)

    def split(self, outputs: Sequence[Array], requests: Sequence[Request]) -> list[dict[str, Array]]:
        """Return each request's own rows of `outputs`, padded axes cut back to its own length.

        What is cut is copied, so that it does not keep the whole run's output alive; the rest are views. An output
        without a batch axis goes to everyone whole. Raises OutputRowsError.
        """
        names = requests[0].outputs
        if len(requests) == 1:
            self._check_rows(names, outputs, requests[0])
            return [dict(zip(names, outputs, strict=True))]
        answers: list[dict[str, Array]] = [{} for _ in requests]
        total = sum(request.rows for request in requests)
        for name, output in zip(names, outputs, strict=True):
            tensor = self._outputs[name]
            batched = tensor.shape[:1] == (BATCH,)
            if batched and output.shape[:1] != (total,):
                raise OutputRowsError(f"output '{name}' has shape {list(output.shape)} for {total} rows")
            padded = self._padded[name]
            window = [slice(None)] * output.ndim
            start = 0
            for answer, request in zip(answers, requests, strict=True):
                if batched:
                    window[0] = slice(start, start := start + request.rows)
                for place, axis in padded:
                    window[place] = slice(request.lengths[axis])
                rows = output[tuple(window)] if window else output
                answer[name] = rows.copy() if padded else rows
        return answers

    def _check_rows(self, names: Sequence[str], outputs: Sequence[Array], request: Request) -> None:
        for name, output in zip(names, outputs, strict=True):
            batched = request.key is not None and self._outputs[name].shape[:1] == (BATCH,)
            if batched and output.shape[:1] != (request.rows,):
                raise OutputRowsError(
                    f"output '{name}' has shape {list(output.shape)} for {request.rows} rows"
                )


def _join(parts: Sequence[Array], pad: float) -> Array:
    first = parts[0]
    if any(part.shape[1:] != first.shape[1:] for part in parts):
        return _join_padded(parts, pad)
    if first.dtype.hasobject:
        return np.concatenate(parts)
    # One copy of bytes is several times cheaper than np.concatenate for many small rows.
    shape = (sum(len(part) for part in parts), *first.shape[1:])
    if math.prod(shape) == 0:
        return np.zeros(shape, first.dtype)
    joined: Array = np.frombuffer(b"".join(part.data for part in parts), first.dtype).reshape(shape)
    return joined


def _join_padded(parts: Sequence[Array], pad: float) -> Array:
    longest = tuple(max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True))
    joined = np.full((sum(len(part) for part in parts), *longest), pad, parts[0].dtype)
    start = 0
    for part in parts:
        window = (slice(start, start + len(part)), *(slice(size) for size in part.shape[1:]))
        joined[window] = part
        start += len(part)
    return joined

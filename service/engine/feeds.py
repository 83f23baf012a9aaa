"""Check one request's tensors against a signature, before they can meet another's.

Knows names, dtypes and shapes. Knows nothing of queues or runs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from service.bundle import Signature, Tensor
from service.domain import Array, Tensors
from service.errors import Invalid

BATCH = "batch"
_PADDABLE = frozenset({"token_ids", "mask"})
_SMALLEST_BUCKET = 8


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request: contiguous `feeds`, its `rows`, and what it must share with others to be merged.

    `key` is None where the signature has no batch axis. `lengths` are the sizes of the axes that padding
    may lengthen.
    """

    feeds: dict[str, Array]
    outputs: tuple[str, ...]
    rows: int
    key: Hashable
    lengths: dict[str, int]
    bytes: int


def paddable_axes(signature: Signature) -> frozenset[str]:
    """Return the axes that may be lengthened by padding: those of token ids and masks, except the batch."""
    return frozenset(
        axis
        for tensor in signature.inputs
        if tensor.kind in _PADDABLE
        for axis in tensor.shape
        if isinstance(axis, str) and axis != BATCH
    )


def bucket(length: int) -> int:
    """Return the power of two that holds `length`: rows of one bucket may be padded to one length."""
    return max(_SMALLEST_BUCKET, 1 << (length - 1).bit_length()) if length > 0 else 0


class FeedCheck:
    """Checks feeds for one signature; made once, used for every request."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = signature.inputs
        self._names = {tensor.name for tensor in signature.inputs}
        self._dtypes = {
            tensor.name: np.dtype(object) if tensor.dtype == "string" else np.dtype(tensor.dtype)
            for tensor in signature.inputs
        }
        self._outputs = tuple(tensor.name for tensor in signature.outputs)
        self._known_outputs = frozenset(self._outputs)
        self._paddable = paddable_axes(signature)
        self._batched = bool(self._inputs) and all(tensor.shape[:1] == (BATCH,) for tensor in self._inputs)

    def __call__(self, feeds: Tensors, outputs: Sequence[str]) -> Request:
        """Return the checked request; raises Invalid with field `inputs.<name>` or `outputs`."""
        if feeds.keys() != self._names:
            self._refuse_names(feeds)
        wanted = self._outputs if not outputs else self._wanted(outputs)
        axes: dict[str, int] = {}
        checked: dict[str, Array] = {}
        parts: list[Hashable] = [wanted]
        size = 0
        for tensor in self._inputs:
            array = feeds[tensor.name]
            self._check(tensor, array, axes)
            checked[tensor.name] = array = array if array.flags.c_contiguous else array.copy(order="C")
            size += array.nbytes
            parts.append(self._signature_of(tensor, array))
        rows = axes.get(BATCH, 1)
        if self._batched and rows < 1:
            raise Invalid("the batch axis must have at least one row", field=f"inputs.{self._inputs[0].name}")
        key = tuple(parts) if self._batched else None
        lengths = {axis: axes[axis] for axis in self._paddable}
        return Request(checked, wanted, rows, key, lengths, size)

    def _check(self, tensor: Tensor, array: Array, axes: dict[str, int]) -> None:
        if array.dtype != self._dtypes[tensor.name]:
            raise Invalid(
                f"input '{tensor.name}': expected dtype {tensor.dtype}, got {array.dtype}",
                field=f"inputs.{tensor.name}",
            )
        shape = array.shape
        fits = len(shape) == len(tensor.shape)
        if fits:
            for size, axis in zip(shape, tensor.shape, strict=True):
                expected = axes.setdefault(axis, size) if isinstance(axis, str) else axis
                fits = fits and size == expected
        if not fits:
            raise Invalid(
                f"input '{tensor.name}': expected shape {_show(tensor, axes)}, got {list(shape)}",
                field=f"inputs.{tensor.name}",
            )

    def _signature_of(self, tensor: Tensor, array: Array) -> Hashable:
        if not self._paddable:
            return array.shape[1:]
        return tuple(
            bucket(size) if axis in self._paddable else size
            for size, axis in zip(array.shape[1:], tensor.shape[1:], strict=True)
        )

    def _wanted(self, outputs: Sequence[str]) -> tuple[str, ...]:
        for name in outputs:
            if name not in self._known_outputs:
                known = ", ".join(self._outputs)
                raise Invalid(f"unknown output '{name}'; this signature has {known}", field="outputs")
        return tuple(dict.fromkeys(outputs))

    def _refuse_names(self, feeds: Tensors) -> None:
        known = ", ".join(sorted(self._names))
        for name in sorted(feeds.keys() - self._names):
            raise Invalid(f"unknown input '{name}'; expected {known}", field=f"inputs.{name}")
        for name in sorted(self._names - feeds.keys()):
            raise Invalid(f"missing input '{name}'; expected {known}", field=f"inputs.{name}")


def _show(tensor: Tensor, axes: dict[str, int]) -> str:
    """Return a shape as callers know it: -1 for a free axis, its size where another input has fixed it."""
    return str([
        axis if isinstance(axis, int) else (-1 if axis == BATCH else axes.get(axis, -1))
        for axis in tensor.shape
    ])  # fmt: skip

"""Tensors of all slots, those of one form in one piece of memory: rows side by side, with room along their free axes.

Knows arrays and axes. The rows that neighbouring slots have of a tensor are a contiguous view, which the runtime takes
without a copy; what is done to all tensors of a row is done at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from service.bundle import Tensor
from service.domain import Array

ROOM_STEP = 16
"""Room for what grows is made in such steps on the host: padding costs time in each run, making room in one of so many."""
SPARE_BYTES = 64 * 2**20
"""So much memory is kept for the next time that room is made: that of the system comes page by page, as slowly as steps."""


def room_for(count: int, step: int) -> int:
    """Return the room that is made for `count` entries along an axis: at least `step`, and a multiple of it.

    Few sizes, so that growing rows are seldom moved: from eight steps on they are an eighth of the power of two above, so
    at most a quarter too much.
    """
    step = max(step, 1 << max(0, (count - 1).bit_length() - 3))
    return max(1, -(-count // step)) * step


def fits(wanted: int, room: int) -> bool:
    """Say whether `room` stays where `wanted` would do.

    It is given back when a third would do: else one long text among short ones would be copied around again and again.
    """
    return room // 3 < wanted <= room


class Block:
    """`array` is [tensors, slots, ...]; the axes in `free` (counted with slots as 0) have room `room`, the others are
    fixed. `tensors` are of one shape, dtype and padding.
    """

    def __init__(self, tensors: Sequence[Tensor], slots: int, free: Sequence[int], room: int) -> None:
        self._tensors = tuple(tensors)
        self._slots = slots
        self.free = tuple(free)
        self._pad, dtype = self._tensors[0].pad, self._tensors[0].dtype
        shape = self._shape([room] * len(self.free))
        # Zeros are not touched before they are written: memory is taken only for slots that are used.
        self.array: Array = np.full(shape, self._pad, dtype) if self._pad else np.zeros(shape, dtype)
        self._spare: Array = np.empty(0, dtype)
        self._name()

    def use(self, array: Array) -> None:
        """Take what `resized` has returned."""
        before = self.array if self.array.base is None else self.array.base
        self._spare = before.reshape(-1) if before.nbytes <= SPARE_BYTES else self._spare[:0]
        self.array = array
        self._name()

    def _name(self) -> None:
        self.by_name = {tensor.name: each for tensor, each in zip(self._tensors, self.array, strict=True)}

    def resized(self, rooms: Sequence[int], rows: int) -> Array:
        """Return the array with other room along the free axes, and of the first `rows` rows what fits. What is in the
        other rows may be anything: to pad them all takes as long as many steps.
        """
        shape = self._shape(rooms)
        size = math.prod(shape)
        memory = self._spare if len(self._spare) >= size else np.empty(size, self.array.dtype)
        after: Array = memory[:size].reshape(shape)
        sizes = list(zip(self.array.shape[2:], after.shape[2:], strict=True))
        window = (slice(None), slice(rows), *[slice(min(old, new)) for old, new in sizes])
        after[window] = self.array[window]
        for axis, (old, new) in enumerate(sizes, 2):
            if new > old:
                after[:, :rows][(slice(None),) * axis + (slice(old, None),)] = self._pad
        return after

    def pad_from(self, rows: int) -> None:
        """Make all but the first `rows` rows padding."""
        self.array[:, rows:] = self._pad

    def put(self, slot: int, rows: Sequence[Array], before: Sequence[int]) -> None:
        """Write a row of each tensor; they may be smaller than the room. The row that was there, which had the sizes
        `before` along the free axes, becomes padding.
        """
        here, shape = self.array[:, slot], rows[0].shape
        for axis, last in zip(self.free, before, strict=True):
            if (size := shape[axis - 1]) < last:
                here[(slice(None),) * axis + (slice(size, last),)] = self._pad
        window = tuple([slice(size) for size in shape])
        for each, row in zip(here, rows, strict=True):
            each[window] = row

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make the rows of `targets` what those of `sources` are."""
        self.array[:, targets] = self.array[:, sources]

    def _shape(self, rooms: Sequence[int]) -> tuple[int, ...]:
        sizes = [size if isinstance(size, int) else 0 for size in self._tensors[0].shape]
        for axis, room in zip(self.free, rooms, strict=True):
            sizes[axis] = room
        return (len(self._tensors), self._slots, *sizes[1:])


def alike(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Return the tensors that may share a block together, those of one shape, dtype and padding."""
    groups: dict[object, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.shape, tensor.dtype, tensor.pad), []).append(tensor)
    return list(groups.values())

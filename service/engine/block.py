"""One tensor of all slots in one piece of memory: rows side by side along axis 0, with room along its free axes.

Knows arrays and axes. The rows of neighbouring slots are a contiguous view, which the runtime takes without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.bundle import Tensor
from service.domain import Array

SMALLEST_ROOM = 32


def room_for(count: int) -> int:
    """Return the room that is made for `count` entries along an axis.

    Few sizes, so that growing rows are seldom moved: 32, 64, 96, … and from 256 on in steps of an eighth of the power
    of two above, so at most a quarter too much.
    """
    if count <= SMALLEST_ROOM:
        return SMALLEST_ROOM
    step = max(SMALLEST_ROOM, 1 << max(0, (count - 1).bit_length() - 3))
    return -(-count // step) * step


class Block:
    """`array` is [slots, ...]; the axes in `free` (counted with slots as 0) have room `room`, the others are fixed."""

    def __init__(self, tensor: Tensor, slots: int, free: Sequence[int], room: int = SMALLEST_ROOM) -> None:
        self._tensor = tensor
        self._slots = slots
        self._free = tuple(free)
        self.array = self._made([room] * len(self._free))

    def resize(self, rooms: Sequence[int], rows: int) -> None:
        """Give the free axes other room, and keep of the first `rows` rows what fits."""
        self.array = self.resized(rooms, rows)

    def resized(self, rooms: Sequence[int], rows: int) -> Array:
        """Return the array as `resize` would make it."""
        after = self._made(rooms)
        window = tuple(
            slice(min(old, new)) for old, new in zip(self.array.shape[1:], after.shape[1:], strict=True)
        )
        after[(slice(rows), *window)] = self.array[(slice(rows), *window)]
        return after

    def put(self, slot: int, row: Array) -> None:
        """Write a row that may be smaller than the room; the rest becomes padding."""
        here = self.array[slot]
        if here.shape != row.shape:
            here[...] = self._tensor.pad
        here[tuple(slice(size) for size in row.shape)] = row

    def _made(self, rooms: Sequence[int]) -> Array:
        shape = [self._slots, *(size if isinstance(size, int) else 0 for size in self._tensor.shape[1:])]
        for axis, room in zip(self._free, rooms, strict=True):
            shape[axis] = room
        # Zeros are not touched before they are written: memory is taken only for slots that are used.
        return np.zeros(shape, self._tensor.dtype)

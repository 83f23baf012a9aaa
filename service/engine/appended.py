"""Write what a run appends to the state of its rows: a slice, or several, behind what each has seen.

Knows arrays and axes; knows no session, sequence or mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from service.bundle import Signature, StateEntry
from service.domain import Array
from service.engine.block import Block
from service.engine.contracts import Held


class Appended:
    """State entries of one form that append along `axis`, and their `block`.

    A step's slices are written for all entries and rows at once. For that the block is seen as lines: a row has one for
    each of its outer parts (heads) and each place along the axis, so that a slice is as many lines as there are parts.
    """

    def __init__(self, entries: Sequence[StateEntry], signature: Signature, slots: int, room: int) -> None:
        axis = entries[0].axis
        assert axis is not None, "only what appends is kept here"
        self.axis = axis
        self.block = Block([signature.input(entry.input) for entry in entries], slots, (axis,), room)
        self._outputs = [entry.output for entry in entries]
        self._whole = entries[0].whole
        self._index()

    def use(self, array: Array) -> None:
        """Take what the block's `resized` has returned."""
        self.block.use(array)
        self._index()

    def erase(self, rows: list[int]) -> None:
        """Write zeros over rows."""
        self.block.array[:, rows] = 0

    def append_one(self, part: slice, outputs: Mapping[str, Array | Held], seen: Array, past: int) -> None:
        """Write a slice for each row of `part` behind the `seen` tokens that it has, of a run that was fed `past`."""
        place = past if self._whole else 0
        places = self._places[:, part] + seen[:, None]
        for behind, name in zip(places, self._outputs, strict=True):
            lines = here(outputs[name]).reshape(-1).view(self._item).reshape(len(seen), self._outer, -1)
            self._lines[behind] = lines[:, :, place]

    def append(
        self, slots: Array, outputs: Mapping[str, Array | Held], seen: Array, counts: Sequence[int], past: int
    ) -> None:
        """Write `counts` slices for each row of the run to its slot of `slots`, which has `seen` tokens."""
        first = past if self._whole else 0
        for array, name in zip(self.block.array, self._outputs, strict=True):
            new = here(outputs[name])
            for row, (slot, start, count) in enumerate(zip(slots, seen.tolist(), counts, strict=True)):
                taken = self._window(slice(first, first + count))[1:]
                array[slot][self._window(slice(start, start + count))[1:]] = new[row][taken]

    def _index(self) -> None:
        tensors, slots, *sizes = self.block.array.shape
        self._outer, room = math.prod(sizes[: self.axis - 1]), sizes[self.axis - 1]
        # A line is one item: NumPy moves such items much faster than rows of numbers.
        self._item = np.dtype((np.void, math.prod(sizes[self.axis :]) * self.block.array.itemsize))
        self._lines = self.block.array.reshape(-1).view(self._item)
        places = np.arange(tensors * slots * self._outer) * room
        self._places = places.reshape(tensors, slots, self._outer)

    def _window(self, part: slice) -> tuple[slice, ...]:
        return (slice(None),) * self.axis + (part,)


def here(output: Array | Held) -> Array:
    """Return an output that is in the host's memory."""
    assert isinstance(output, np.ndarray), "nothing is held elsewhere"
    return output


def appended(entries: Sequence[StateEntry], signature: Signature, slots: int, room: int) -> list[Appended]:
    """Return the entries that append, those of one form together."""
    forms: dict[object, list[StateEntry]] = {}
    for entry in entries:
        if entry.axis is not None:
            tensor = signature.input(entry.input)
            forms.setdefault((tensor.shape, tensor.dtype, entry.axis, entry.whole), []).append(entry)
    return [Appended(each, signature, slots, room) for each in forms.values()]

"""Keep the state of running rows between steps: one slot a row, preallocated and written in place.

Driven by the manifest's state entries. Knows arrays and axes; knows no model, scheduler or caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.bundle import Signature, StateEntry, StepGraph
from service.domain import Array, Tensors

_SMALLEST_CAPACITY = 32


class SlotState:
    """The state tensors of all slots, and how many tokens each slot has seen.

    A `replace` entry keeps its last output; an `append` entry keeps its slices side by side along its axis,
    in room that doubles when it is used up.
    """

    def __init__(self, graph: StepGraph, signature: Signature, slots: int) -> None:
        self._entries = graph.state
        self._past_mask = graph.past_mask
        self._mask_dtype = signature.input(graph.past_mask).dtype if graph.past_mask else "float32"
        self.seen = np.zeros(slots, np.int64)
        self._arrays = {
            entry.input: np.zeros(self._shape(entry, signature, slots), signature.input(entry.input).dtype)
            for entry in graph.state
        }

    @staticmethod
    def _shape(entry: StateEntry, signature: Signature, slots: int) -> tuple[int, ...]:
        shape: list[int] = [slots]
        for axis, size in enumerate(signature.input(entry.input).shape[1:], start=1):
            if isinstance(size, int):
                shape.append(size)
            else:
                assert axis == entry.axis, f"state '{entry.input}' has a free axis that nothing fills"
                shape.append(_SMALLEST_CAPACITY)
        return tuple(shape)

    @property
    def bytes(self) -> int:
        """How much memory the state takes."""
        return sum(array.nbytes for array in self._arrays.values())

    def clear(self, slots: Sequence[int]) -> None:
        """Make slots new again."""
        rows = list(slots)
        self.seen[rows] = 0
        for entry in self._entries:
            # What an appended slot held is never looked at: `seen` says how much of it is valid.
            if entry.mode == "replace":
                self._arrays[entry.input][rows] = 0

    def feeds(self, slots: Sequence[int]) -> dict[str, Array]:
        """Return the state inputs of a run over `slots`, row by row."""
        rows = list(slots)
        past = int(self.seen[rows].max(initial=0))
        feeds: dict[str, Array] = {}
        for entry in self._entries:
            array = self._arrays[entry.input]
            feeds[entry.input] = array[rows] if entry.axis is None else array[self._past(entry, rows, past)]
        if self._past_mask:
            feeds[self._past_mask] = self.valid(slots).astype(self._mask_dtype)
        return feeds

    def valid(self, slots: Sequence[int]) -> Array:
        """Return [rows, past] which part of the appended state that `feeds` gives is each row's own."""
        seen = self.seen[list(slots)]
        return np.arange(int(seen.max(initial=0)))[None, :] < seen[:, None]

    def store(self, slots: Sequence[int], outputs: Tensors, counts: Sequence[int]) -> None:
        """Take over the state outputs of a run that fed `counts` valid tokens to the rows of `slots`."""
        rows = list(slots)
        past = int(self.seen[rows].max(initial=0))
        self._make_room(int((self.seen[rows] + np.asarray(counts)).max()))
        for entry in self._entries:
            new = outputs[entry.output]
            array = self._arrays[entry.input]
            if entry.axis is None:
                array[rows] = new
                continue
            for row, (slot, count) in enumerate(zip(rows, counts, strict=True)):
                start = int(self.seen[slot])
                window = _window(array.ndim - 1, entry.axis - 1, slice(start, start + count))
                # A whole output has the past that was fed before the new slices.
                part = slice(past, past + count) if entry.whole else slice(0, count)
                array[slot][window] = new[row][_window(array.ndim - 1, entry.axis - 1, part)]
        self.seen[rows] += np.asarray(counts)

    def reorder(self, slots: Sequence[int], parents: Sequence[int]) -> None:
        """Make each slot go on from the state of another: slot i from the one at position `parents[i]`."""
        rows = list(slots)
        sources = [rows[parent] for parent in parents]
        if sources == rows:
            return
        for array in self._arrays.values():
            array[rows] = array[sources]
        self.seen[rows] = self.seen[sources]

    @staticmethod
    def _past(entry: StateEntry, rows: list[int], past: int) -> tuple[slice | list[int], ...]:
        assert entry.axis is not None
        return (rows, *(slice(None),) * (entry.axis - 1), slice(0, past))

    def _make_room(self, tokens: int) -> None:
        for entry in self._entries:
            array = self._arrays[entry.input]
            if entry.axis is None or array.shape[entry.axis] >= tokens:
                continue
            shape = list(array.shape)
            shape[entry.axis] = max(tokens, 2 * shape[entry.axis])
            grown = np.zeros(shape, array.dtype)
            grown[_window(array.ndim, entry.axis, slice(0, array.shape[entry.axis]))] = array
            self._arrays[entry.input] = grown


def _window(axes: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if position == axis else slice(None) for position in range(axes))

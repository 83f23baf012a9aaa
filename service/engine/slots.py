"""Keep the state of running rows between steps: one slot a row, preallocated and written in place.

Driven by the manifest's state entries. Knows arrays and axes; knows no model, scheduler or caller.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from service.bundle import Signature, StateEntry, StepGraph
from service.domain import Array
from service.engine.block import SMALLEST_ROOM, Block, room_for
from service.engine.contracts import Held


def aligned(graph: StepGraph) -> bool:
    """Say whether the rows of a run must be of one age."""
    appends = any(entry.axis is not None for entry in graph.state)
    mask = graph.past_mask or graph.mask
    counts_itself = graph.mask is not None and graph.positions is None
    return appends and (graph.one_age or mask is None or counts_itself)


class SlotState:
    """The state tensors of all slots, and how many tokens each slot has seen.

    A `replace` entry keeps its last output; an `append` entry keeps its slices side by side along its axis, in
    `room` that all rows share. The rows of a run are neighbouring slots, so that what is fed is a view; a mask says
    how much of each row's room is its own. Without a mask, or where the graph itself counts positions beside
    Hugging Face's mask, the rows of a run must be of one age (`aligned`).
    """

    def __init__(self, graph: StepGraph, signature: Signature, slots: int) -> None:
        self.seen = np.zeros(slots, np.int64)
        mask = graph.past_mask or graph.mask
        appends = any(entry.axis is not None for entry in graph.state)
        self.aligned = aligned(graph)
        # Where nothing is appended or masked, there is room for everything.
        self.room = SMALLEST_ROOM if appends or mask else sys.maxsize
        self._past = self.room
        self._entries = graph.state
        self._blocks = {
            entry.input: Block(
                signature.input(entry.input), slots, () if entry.axis is None else (entry.axis,), self.room
            )
            for entry in graph.state
        }
        for name, block in self._blocks.items():
            if 0 in block.array.shape:
                raise ValueError(f"state '{name}' has a free axis that nothing fills")
        self._rows = np.arange(slots)
        self._places: dict[int, Array] = {}
        self._valid = np.zeros((slots, self.room), signature.input(mask).dtype) if mask else None

    @property
    def row_bytes(self) -> int:
        """How much memory a slot takes whatever it has seen."""
        return sum(self._row_bytes(entry) for entry in self._entries if entry.axis is None)

    @property
    def token_bytes(self) -> int:
        """How much memory a slot takes for each token that there is room for."""
        return sum(self._row_bytes(entry) for entry in self._entries if entry.axis is not None) // self.room

    @property
    def bytes(self) -> int:
        """How much memory the state takes if all slots are used."""
        return sum(block.array.nbytes for block in self._blocks.values())

    def _row_bytes(self, entry: StateEntry) -> int:
        array = self._blocks[entry.input].array
        return array.nbytes // len(array)

    def clear(self, slots: Sequence[int]) -> None:
        """Make slots new again. What was appended is left, and masked."""
        rows = list(slots)
        self.seen[rows] = 0
        if self._valid is not None:
            self._valid[rows] = 0
        for entry in self._entries:
            if entry.axis is None:
                self._blocks[entry.input].array[rows] = 0

    def wipe(self, slots: Sequence[int]) -> None:
        """Make slots new again, and forget what was appended: a NaN shows through any mask."""
        self.clear(slots)
        for block in self._blocks.values():
            block.array[list(slots)] = 0

    def fit(self, longest: int, rows: int, *, tight: bool = False) -> None:
        """Make room for `longest` tokens in each of the first `rows` slots.

        Room that is not needed any more is given back when it is half of all, or, if `tight`, at once.
        """
        wanted = room_for(longest)
        least = self.room if tight else self.room // 2 + 1
        if self.room == sys.maxsize or least <= wanted <= self.room:
            return
        before, self.room = self.room, wanted
        self._places.clear()
        try:
            self._resize(wanted, rows)
        except BaseException:
            self.room = before
            raise
        if self._valid is not None:
            valid = np.arange(wanted)[None, :] < self.seen[:, None]
            self._valid = valid.astype(self._valid.dtype)

    def _resize(self, wanted: int, rows: int) -> None:
        """Make the room of every entry `wanted`, or of none where memory fails."""
        resized = {
            entry.input: self._blocks[entry.input].resized([wanted], rows)
            for entry in self._entries
            if entry.axis is not None
        }
        for name, array in resized.items():
            self._blocks[name].array = array

    @property
    def holdable(self) -> tuple[str, ...]:
        """The outputs that need not come back to the host's memory: here there are none."""
        return ()

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the state inputs of a run over neighbouring slots, as views; rows that are all new have no past."""
        if self.aligned:
            self._past = int(self.seen[part.start])
        elif self.room != sys.maxsize:
            self._past = self.room if self.seen[part].any() else 0
        feeds: dict[str, Array | Held] = {}
        for entry in self._entries:
            array = self._blocks[entry.input].array[part]
            if entry.axis is not None and self._past < self.room:
                array = array[_window(array.ndim, entry.axis, slice(self._past))]
            feeds[entry.input] = array
        return feeds

    def valid(self, part: slice) -> Array:
        """Return [rows, past], in the mask's dtype, which of the past that `feeds` gave is each row's own."""
        assert self._valid is not None, "only a graph with a mask asks"
        return self._valid[part, : self._past]

    def store(
        self, part: slice, outputs: Mapping[str, Array | Held], counts: Sequence[int] | None = None
    ) -> None:
        """Take over the state outputs of the run that was last fed; `counts` valid tokens a row, None for one each."""
        if counts is not None:
            self.put(self._rows[part], outputs, counts, self._past)
            return
        lines: dict[int, Array] = {}
        for entry in self._entries:
            new = outputs[entry.output]
            assert isinstance(new, np.ndarray), "nothing is held elsewhere"
            if entry.axis is None:
                self._blocks[entry.input].array[part] = new
            else:
                self._append_one(entry, part, new, lines)
        if self._valid is not None:
            self._valid[self._rows[part], self.seen[part]] = 1
        self.seen[part] += 1

    @property
    def past(self) -> int:
        """The length of the past that was last fed."""
        return self._past

    def put(
        self, slots: Array, outputs: Mapping[str, Array | Held], counts: Sequence[int], past: int
    ) -> None:
        """Take over the state outputs, one row for each of `slots`, of a run that was fed `past`."""
        for entry in self._entries:
            new = outputs[entry.output]
            assert isinstance(new, np.ndarray), "nothing is held elsewhere"
            if entry.axis is None:
                self._blocks[entry.input].array[slots] = new
            else:
                self._append(entry, slots, new, counts, past)
        self._count(slots, counts)

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make each slot of `targets` what that of `sources` is."""
        self.seen[targets] = self.seen[sources]
        if self._valid is not None:
            self._valid[targets] = self._valid[sources]
        for block in self._blocks.values():
            block.array[targets] = block.array[sources]

    def _count(self, slots: Array, counts: Sequence[int] | Array) -> None:
        if self._valid is not None:
            for slot, start, count in zip(slots, self.seen[slots], counts, strict=True):
                self._valid[slot, start : start + count] = 1
        self.seen[slots] += np.asarray(counts)

    def _append_one(self, entry: StateEntry, part: slice, new: Array, lines: dict[int, Array]) -> None:
        """Write one slice a row, all rows at once: the array is seen as lines, of which one for each row and head.

        `lines` has which those are, by the number of heads, for all entries of a step.
        """
        array = self._blocks[entry.input].array
        assert entry.axis is not None
        outer = math.prod(array.shape[1 : entry.axis])
        line = math.prod(array.shape[entry.axis + 1 :])
        if outer not in lines:
            if outer not in self._places:
                self._places[outer] = (self._rows[:, None] * outer + np.arange(outer)) * self.room
            lines[outer] = self._places[outer][part] + self.seen[part, None]
        slices = new.reshape(len(new), outer, -1, line)[:, :, self._past if entry.whole else 0]
        array.reshape(-1, line)[lines[outer]] = slices

    def _append(self, entry: StateEntry, slots: Array, new: Array, counts: Sequence[int], past: int) -> None:
        array = self._blocks[entry.input].array
        assert entry.axis is not None
        # A whole output has the past that was fed before the new slices.
        first = past if entry.whole else 0
        for row, (slot, count) in enumerate(zip(slots, counts, strict=True)):
            start = int(self.seen[slot])
            window = _window(array.ndim - 1, entry.axis - 1, slice(start, start + count))
            taken = _window(array.ndim - 1, entry.axis - 1, slice(first, first + count))
            array[slot][window] = new[row][taken]


def _window(axes: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if position == axis else slice(None) for position in range(axes))

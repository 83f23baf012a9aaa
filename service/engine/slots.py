"""Keep the state of running rows between steps: one slot a row, preallocated and written in place.

Driven by the manifest's state entries. Knows arrays and axes; knows no model, scheduler or caller.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np

from service.bundle import Signature, StateEntry, StepGraph
from service.domain import Array
from service.engine.appended import appended, here
from service.engine.block import ROOM_STEP, Block, alike, fits, room_for
from service.engine.contracts import Held


def aligned(graph: StepGraph) -> bool:
    """Say whether the rows of a run must be of one age."""
    appends = any(entry.axis is not None for entry in graph.state)
    mask = graph.past_mask or graph.mask
    counts_itself = graph.mask is not None and graph.positions is None
    return appends and (graph.one_age or mask is None or counts_itself)


class SlotState:
    """The state tensors of all slots, and how many tokens each slot has seen. `version` is new when they lie elsewhere.

    A `replace` entry keeps its last output; an `append` entry keeps its slices side by side along its axis, in
    `room` that all rows share. The rows of a run are neighbouring slots, so that what is fed is a view; a mask says
    how much of each row's room is its own. Without a mask, or where the graph itself counts positions beside
    Hugging Face's mask, the rows of a run must be of one age (`aligned`).
    """

    room_step = ROOM_STEP

    def __init__(self, graph: StepGraph, signature: Signature, slots: int) -> None:
        for entry in graph.state:
            free = {
                axis for axis, size in enumerate(signature.input(entry.input).shape) if isinstance(size, str)
            }
            if free - {0, entry.axis}:
                raise ValueError(f"state '{entry.input}' has a free axis that nothing fills")
        self.seen = np.zeros(slots, np.int64)
        self._sound = np.ones(slots, np.bool_)
        self.version = 0
        mask = graph.past_mask or graph.mask
        appends = any(entry.axis is not None for entry in graph.state)
        self.aligned = aligned(graph)
        # Where nothing is appended or masked, there is room for everything.
        self.room = room_for(0, self.room_step) if appends or mask else sys.maxsize
        self._past = self.room
        self._entries = graph.state
        self._appended = appended(graph.state, signature, slots, self.room)
        self._replaced = [entry for entry in graph.state if entry.axis is None]
        rest = alike(signature.input(entry.input) for entry in self._replaced)
        self._fixed = [Block(tensors, slots, (), 0) for tensors in rest]
        self._name_arrays()
        self._rows = np.arange(slots)
        self._valid = np.zeros((slots, self.room), signature.input(mask).dtype) if mask else None

    @property
    def grows(self) -> bool:
        """Whether room is made for tokens."""
        return self.room != sys.maxsize

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
        return sum(block.array.nbytes for block in self._blocks())

    def _row_bytes(self, entry: StateEntry) -> int:
        array = self._arrays[entry.input]
        return int(array.nbytes) // len(array)

    def _blocks(self) -> list[Block]:
        return [*self._fixed, *[each.block for each in self._appended]]

    def _name_arrays(self) -> None:
        self.version += 1
        self._arrays = {name: array for block in self._blocks() for name, array in block.by_name.items()}

    def clear(self, slots: Sequence[int]) -> None:
        """Make slots new again. What was appended is left, and masked."""
        rows = list(slots)
        self.seen[rows] = 0
        if self._valid is not None:
            self._valid[rows] = 0
        for block in self._fixed:
            block.array[:, rows] = 0

    def wipe(self, slots: Sequence[int]) -> None:
        """Make slots new again, and forget what was appended: a NaN shows through any mask."""
        self.clear(slots)
        for each in self._appended:
            each.erase(list(slots))

    def trust(self, slots: slice | Array) -> None:
        """Take note that the last run of slots gave numbers: what it read of them, and appended, is numbers then."""
        self._sound[slots] = True

    def renew(self, slots: Sequence[int]) -> None:
        """Make slots new for others: `clear` those that are trusted, `wipe` the rest."""
        doubtful = [slot for slot in slots if not self._sound[slot]]
        if doubtful:
            self.wipe(doubtful)
            self._sound[doubtful] = True
        self.clear(slots)

    def fit(self, longest: int, rows: int, *, tight: bool = False) -> None:
        """Make room for `longest` tokens in each of the first `rows` slots.

        Room that is not needed any more is given back when it is most of all (`fits`), or, if `tight`, at once.
        """
        wanted = room_for(longest, self.room_step)
        if not self.grows or wanted == self.room or (not tight and fits(wanted, self.room)):
            return
        before, self.room = self.room, wanted
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
        resized = [each.block.resized([wanted], rows) for each in self._appended]
        for each, array in zip(self._appended, resized, strict=True):
            each.use(array)
        self._sound[rows:] = False
        self._name_arrays()

    @property
    def holdable(self) -> tuple[str, ...]:
        """The outputs that need not come back to the host's memory: here there are none."""
        return ()

    def look(self, part: slice) -> int:
        """Return the length of the past that a run over neighbouring slots is fed."""
        if self.aligned:
            self._past = int(self.seen[part.start])
        elif self.grows:
            self._past = self.room if self.seen[part].any() else 0
        return self._past

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the state inputs of a run over neighbouring slots, as views; rows that are all new have no past."""
        self.look(part)
        feeds: dict[str, Array | Held] = {}
        for entry in self._entries:
            array = self._arrays[entry.input][part]
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
        seen = self.seen[part]
        for entry in self._replaced:
            self._arrays[entry.input][part] = here(outputs[entry.output])
        for each in self._appended:
            each.append_one(part, outputs, seen, self._past)
        if self._valid is not None:
            self._valid[self._rows[part], seen] = 1
        self._sound[part] = False
        seen += 1

    @property
    def past(self) -> int:
        """The length of the past that was last fed."""
        return self._past

    def put(
        self, slots: Array, outputs: Mapping[str, Array | Held], counts: Sequence[int], past: int
    ) -> None:
        """Take over the state outputs, one row for each of `slots`, of a run that was fed `past`."""
        for entry in self._replaced:
            self._arrays[entry.input][slots] = here(outputs[entry.output])
        for each in self._appended:
            each.append(slots, outputs, self.seen[slots], counts, past)
        self._count(slots, counts)

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make each slot of `targets` what that of `sources` is."""
        self._move_counts(sources, targets)
        for block in self._blocks():
            block.move(sources, targets)

    def _move_counts(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        self.seen[targets] = self.seen[sources]
        self._sound[targets] = self._sound[sources]
        if self._valid is not None:
            self._valid[targets] = self._valid[sources]

    def _count(self, slots: Array, counts: Sequence[int] | Array) -> None:
        if self._valid is not None:
            for slot, start, count in zip(slots, self.seen[slots], counts, strict=True):
                self._valid[slot, start : start + count] = 1
        self._sound[slots] = False
        self.seen[slots] += np.asarray(counts)


def _window(axes: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if position == axis else slice(None) for position in range(axes))

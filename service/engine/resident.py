"""Keep the state and the context of running rows on the device that runs them.

The same slots, ages and rooms as in the host's memory (`slots`, `context`); what is fed is an address, and what is
new is written in place there. Knows no model, scheduler or runtime.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from service.bundle import Signature, StateEntry, StepGraph, Tensor
from service.domain import Array
from service.engine import lines
from service.engine.buckets import bucket_of
from service.engine.context import ContextRows
from service.engine.contracts import Held
from service.engine.device import DeviceSession, Resident
from service.engine.slots import SlotState

ROOM_STEP = 32
"""Room is made in larger steps than on the host: with it addresses change, and what was recorded is recorded anew."""

_Pairs = dict[tuple[int, ...], list[tuple[Resident, Resident]]]


class ResidentState(SlotState):
    """State on a device. Its arrays on the host are never filled, and only say what shapes there are."""

    room_step = ROOM_STEP

    def __init__(self, graph: StepGraph, signature: Signature, slots: int, session: DeviceSession) -> None:
        super().__init__(graph, signature, slots)
        if self.aligned:
            raise ValueError("rows of one age have a past of their length, which is no part of a block")
        self._session = session
        self._wide = bucket_of(slots)
        self._tables = {entry.input: self._table(entry) for entry in graph.state}
        self._new_row = {
            entry.input: session.allocate((1, *self._tables[entry.input].shape[1:]), self._dtype(entry))
            for entry in graph.state
            if entry.axis is None
        }

    @property
    def bytes(self) -> int:
        """How much memory the state takes if all slots are used."""
        return sum(table.nbytes for table in self._tables.values())

    @property
    def holdable(self) -> tuple[str, ...]:
        """The outputs that stay on the device: all of the state."""
        return tuple(entry.output for entry in self._entries)

    def clear(self, slots: Sequence[int]) -> None:
        """Make slots new again. What was appended is left, and masked."""
        super().clear(slots)
        self._write_rows(self._new_row, [0] * len(slots), slots)

    def wipe(self, slots: Sequence[int]) -> None:
        """Make slots new again, and forget what was appended: a NaN shows through any mask."""
        self.clear(slots)
        nothing = {
            name: self._session.allocate((1, *table.shape[1:]), table.dtype)
            for name, table in self._tables.items()
        }
        self._write_rows(nothing, [0] * len(slots), slots)

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the state inputs of a run over neighbouring slots; rows that are all new have no past."""
        self._past = self.room if self.seen[part].any() else 0
        count = part.stop - part.start
        feeds: dict[str, Array | Held] = {}
        for entry in self._entries:
            table = self._tables[entry.input]
            if entry.axis is not None and not self._past:
                shape = [count, *table.shape[1:]]
                shape[entry.axis] = 0
                feeds[entry.input] = np.zeros(shape, table.dtype)
            else:
                feeds[entry.input] = table.rows(part.start, count)
        return feeds

    def store(
        self, part: slice, outputs: Mapping[str, Array | Held], counts: Sequence[int] | None = None
    ) -> None:
        """Take over the state outputs of the run that was last fed; `counts` valid tokens a row, None for one each."""
        count = part.stop - part.start
        told = np.ones(count, np.int64) if counts is None else np.array(counts)
        slots = self._rows[part]
        groups: _Pairs = {}
        for entry in self._entries:
            new = cast("Resident", outputs[entry.output])
            table = self._tables[entry.input]
            outer, room, width = _parts(table, entry.axis)
            time = 1 if entry.axis is None else new.shape[entry.axis]
            first = self._past if entry.whole else 0
            size = np.dtype(table.dtype).itemsize
            rows = _as_lines(new, new.shape[0] * outer * time, width)
            key = (size, outer, room, time, first, int(entry.axis is None))
            groups.setdefault(key, []).append((_as_lines(table, self._wide * outer * room, width), rows))
        for (_, outer, room, time, first, replaced), pairs in groups.items():
            most = np.ones(count, np.int64) if replaced else told
            starts = np.zeros(count, np.int64) if replaced else self.seen[part]
            source = lines.numbers(np.arange(count), np.full(count, first), most, outer, time)
            target = lines.numbers(slots, starts, most, outer, room)
            self._session.write_lines(pairs, source, target)
        self._count(slots, told)

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make each slot of `targets` what that of `sources` is."""
        self._move_counts(sources, targets)
        self._write_rows(self._tables, sources, targets)

    def _row_bytes(self, entry: StateEntry) -> int:
        return self._tables[entry.input].row_bytes

    def _resize(self, wanted: int, rows: int) -> None:
        count = np.minimum(self.seen[:rows], wanted)
        every, start = np.arange(rows), np.zeros(rows, np.int64)
        # Memory for all of them first: where it fails, none has changed.
        made = {entry.input: self._table(entry) for entry in self._entries if entry.axis is not None}
        for entry in self._entries:
            if entry.axis is None:
                continue
            before, after = self._tables[entry.input], made[entry.input]
            self._tables[entry.input] = after
            outer, old, width = _parts(before, entry.axis)
            source = lines.numbers(every, start, count, outer, old)
            if len(source):
                pair = (
                    _as_lines(after, self._wide * outer * wanted, width),
                    _as_lines(before, self._wide * outer * old, width),
                )
                target = lines.numbers(every, start, count, outer, wanted)
                self._session.write_lines([pair], source, target)

    def _write_rows(
        self, rows: Mapping[str, Resident], sources: Sequence[int], targets: Sequence[int]
    ) -> None:
        groups: _Pairs = {}
        for name, each in rows.items():
            table = self._tables[name]
            size = np.dtype(table.dtype).itemsize
            pair = tuple(_as_lines(tensor, tensor.shape[0], table.row_bytes) for tensor in (table, each))
            groups.setdefault((size,), []).append((pair[0], pair[1]))
        for pairs in groups.values():
            self._session.write_lines(pairs, np.array(sources, np.int64), np.array(targets, np.int64))

    def _table(self, entry: StateEntry) -> Resident:
        shape = list(self._arrays[entry.input].shape)
        shape[0] = self._wide
        if entry.axis is not None:
            shape[entry.axis] = self.room
        return self._session.allocate(shape, self._dtype(entry))

    def _dtype(self, entry: StateEntry) -> str:
        return str(self._arrays[entry.input].dtype)


class ResidentContext(ContextRows):
    """Context on a device: written on the host when a row comes or moves, and sent there before it is fed again."""

    room_step = ROOM_STEP

    def __init__(self, tensors: Sequence[Tensor], slots: int, session: DeviceSession) -> None:
        super().__init__(tensors, bucket_of(slots))
        self._session = session
        self._tables: dict[str, Resident] = {}
        self._changed = True

    def put(self, contexts: Sequence[tuple[Sequence[int], Mapping[str, Array]]], rows: int) -> None:
        """Write the context of each sequence to its rows; `rows` slots are in use, these included."""
        super().put(contexts, rows)
        self._changed = True

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make the rows of `targets` what those of `sources` are."""
        super().move(sources, targets)
        self._changed = True

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the context inputs of a run over neighbouring slots."""
        if self._changed:
            self._send()
        count = part.stop - part.start
        return {name: table.rows(part.start, count) for name, table in self._tables.items()}

    def _send(self) -> None:
        arrays = [each for block in self._blocks for each in block.by_name.items()]
        for name, array in arrays:
            table = self._tables.get(name)
            if table is None or table.shape != array.shape:
                table = self._session.allocate(array.shape, array.dtype.name)
                self._tables[name] = table
            table.memory.write(array)
        self._changed = False


def _parts(table: Resident, axis: int | None) -> tuple[int, int, int]:
    """Return how a row is divided: its outer parts, the lines in each, and the bytes of a line."""
    size = np.dtype(table.dtype).itemsize
    if axis is None:
        return 1, 1, table.row_bytes
    return math.prod(table.shape[1:axis]), table.shape[axis], math.prod(table.shape[axis + 1 :]) * size


def _as_lines(tensor: Resident, count: int, width_bytes: int) -> Resident:
    size = np.dtype(tensor.dtype).itemsize
    return tensor.seen_as((count, width_bytes // size), lines.ELEMENTS[size])

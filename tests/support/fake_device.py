"""A device that is none: memory apart from the host's arrays, and runs bound to its addresses.

Knows the promises of `engine.device`, and fails where they are not kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from service.domain import Array
from service.engine.device import NOT_RECORDED, Resident
from tests.support.fakes import Compute, FakeSession

_ADDRESSES = itertools.count(1 << 20, 1 << 20)

Recorded = tuple[tuple[str, int, tuple[int, ...], str], ...]


class FakeMemory:
    """Bytes at an address that nothing else ever has."""

    def __init__(self, shape: Sequence[int], dtype: str) -> None:
        self.array = np.zeros(tuple(shape), dtype)
        self.address = next(_ADDRESSES)
        self.fetched = 0

    @property
    def nbytes(self) -> int:
        """How large it is."""
        return self.array.nbytes

    def write(self, array: Array) -> None:
        """Overwrite all of it."""
        assert (array.shape, array.dtype) == (self.array.shape, self.array.dtype)
        self.array[...] = array

    def numpy(self) -> Array:
        """Return a copy."""
        self.fetched += 1
        return self.array.copy()


class FakeDevice(FakeSession):
    """A `device.DeviceSession` over a function. A recorded run insists on the addresses and shapes of the first."""

    resident = True

    def __init__(self, compute: Compute, *, records: bool = True) -> None:
        super().__init__(compute)
        self.records = records
        self.graph_ids: list[int] = []
        self.sent: list[set[str]] = []
        self.forgotten: list[int] = []
        self.fail_recorded: Exception | None = None
        self._recorded: dict[int, Recorded] = {}

    def allocate(self, shape: Sequence[int], dtype: str) -> Resident:
        """Return zeros."""
        return Resident(FakeMemory(shape, dtype), tuple(shape), dtype)

    def run_bound(
        self,
        feeds: Mapping[str, Array | Resident],
        results: Mapping[str, Resident | None],
        graph_id: int = NOT_RECORDED,
    ) -> dict[str, Resident]:
        """Run once, on views of the memory."""
        self.graph_ids.append(graph_id)
        self.sent.append({name for name, value in feeds.items() if isinstance(value, np.ndarray)})
        if graph_id != NOT_RECORDED:
            self._check({**feeds, **results}, graph_id)
            if self.fail_recorded is not None:
                raise self.fail_recorded
        near = {
            name: view_of(value).copy() if isinstance(value, Resident) else value
            for name, value in feeds.items()
        }
        arrays = self.run(near, list(results))
        made = {}
        for (name, result), array in zip(results.items(), arrays, strict=True):
            kept = result or self.allocate(array.shape, array.dtype.name)
            assert kept.shape == array.shape
            view_of(kept)[...] = array
            made[name] = kept
        return made

    def forget(self, graph_id: int) -> None:
        """Let go of what was recorded."""
        self.forgotten.append(graph_id)
        self._recorded.pop(graph_id, None)

    def write_lines(self, pairs: Sequence[tuple[Resident, Resident]], source: Array, target: Array) -> None:
        """Write lines to lines."""
        assert len(source) == len(target) == len(set(target.tolist()))
        for table, rows in pairs:
            view_of(table)[target] = view_of(rows)[source]

    def _check(self, bound: Mapping[str, Array | Resident | None], graph_id: int) -> None:
        assert self.records
        assert graph_id > 0
        tensors = [(name, value) for name, value in bound.items() if isinstance(value, Resident)]
        assert len(tensors) == len(bound), "a recorded run reads and writes the device's memory only"
        now = tuple((name, value.address, value.shape, value.dtype) for name, value in tensors)
        assert self._recorded.setdefault(graph_id, now) == now


def view_of(tensor: Resident) -> Array:
    """Return the tensor itself, as a view of its memory."""
    assert isinstance(tensor.memory, FakeMemory)
    flat = tensor.memory.array.reshape(-1).view(np.uint8)
    mine = flat[tensor.offset_bytes : tensor.offset_bytes + tensor.nbytes]
    return mine.view(tensor.dtype).reshape(tensor.shape)

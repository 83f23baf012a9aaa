"""What the engine needs of a device whose memory is not the host's: tensors that stay there, and runs bound to them.

Knows addresses and shapes. Knows no runtime, model or scheduler.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from service.domain import Array
from service.engine.contracts import Session

NOT_RECORDED = -1
"""The graph id of a run that is neither recorded nor replayed."""


class Memory(Protocol):
    """A piece of the device's memory, which is given back with its last owner."""

    @property
    def address(self) -> int:
        """Where it begins."""

    @property
    def nbytes(self) -> int:
        """How large it is."""

    def write(self, array: Array) -> None:
        """Overwrite all of it; `array` has the shape and dtype that it was made with."""

    def numpy(self) -> Array:
        """Return a copy in the host's memory."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A contiguous tensor in `memory`, `offset_bytes` from its beginning (`contracts.Held`)."""

    memory: Memory
    shape: tuple[int, ...]
    dtype: str
    offset_bytes: int = 0

    @property
    def address(self) -> int:
        """Where its first element is."""
        return self.memory.address + self.offset_bytes

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """How much memory an entry of its first axis takes."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize

    def rows(self, start: int, count: int) -> Resident:
        """Return `count` neighbouring entries of the first axis, which may reach beyond this tensor's own.

        Raises ValueError if they reach beyond the memory.
        """
        part = replace(
            self,
            shape=(count, *self.shape[1:]),
            offset_bytes=self.offset_bytes + start * self.row_bytes,
        )
        return part.checked()

    def seen_as(self, shape: tuple[int, ...], dtype: str) -> Resident:
        """Return the same bytes by another shape and dtype; raises ValueError if they are not as many."""
        seen = replace(self, shape=shape, dtype=dtype)
        if seen.nbytes != self.nbytes:
            raise ValueError(f"{self.nbytes} bytes cannot be seen as {dtype} {list(shape)}")
        return seen

    def checked(self) -> Resident:
        """Return this if it lies within its memory; raises ValueError."""
        if self.offset_bytes < 0 or self.offset_bytes + self.nbytes > self.memory.nbytes:
            raise ValueError(f"{list(self.shape)} lies beyond the memory of {self.memory.nbytes} bytes")
        return self

    def numpy(self) -> Array:
        """Return a copy in the host's memory."""
        flat = self.memory.numpy().reshape(-1).view(np.uint8)
        mine = flat[self.offset_bytes : self.offset_bytes + self.nbytes]
        return mine.view(self.dtype).reshape(self.shape)


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session whose tensors may stay on its device from run to run. Its methods are called by one thread at a time."""

    @property
    def resident(self) -> bool:
        """Whether it is worth while."""

    @property
    def records(self) -> bool:
        """Whether runs can be recorded as graphs of the device and replayed."""

    def allocate(self, shape: Sequence[int], dtype: str) -> Resident:
        """Return a new tensor of zeros, apart from the memory that runs use for themselves."""

    def run_bound(
        self,
        feeds: Mapping[str, Array | Resident],
        results: Mapping[str, Resident | None],
        graph_id: int = NOT_RECORDED,
    ) -> dict[str, Resident]:
        """Run once and return `results`: written where they are told to be, or (None) to new memory.

        The first run of another `graph_id` is recorded and every later one replayed, which reads and writes the
        addresses of the first, and looks at nothing else: an id stands for one set of addresses and shapes. Raises
        whatever the runtime raises.
        """

    def forget(self, graph_id: int) -> None:
        """Let go of what was recorded; an id that nothing was recorded for is ignored."""

    def write_lines(self, pairs: Sequence[tuple[Resident, Resident]], source: Array, target: Array) -> None:
        """Write line source[i] of the second tensor of each pair to line target[i] of the first, in place.

        A tensor is lines [lines, width] of integers, of one size in all pairs (`lines.ELEMENTS`). Both tensors of a
        pair may be one: all lines are read before any is written.
        """

"""Keep each running row's context, the encoder's output for it, where its slot is.

Driven by the signature's context inputs: axes of one name have one room, so that a mask fits what it masks. Knows
arrays and names; knows no encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.bundle import Tensor
from service.domain import Array
from service.engine.block import SMALLEST_ROOM, Block, room_for
from service.engine.contracts import Held


class ContextRows:
    """The context inputs of all slots. A row is written once, when its sequence starts."""

    def __init__(self, tensors: Sequence[Tensor], slots: int) -> None:
        self._axes = {tensor.name: _free_axes(tensor) for tensor in tensors}
        self._rooms = {name: SMALLEST_ROOM for axes in self._axes.values() for name in axes.values()}
        self._blocks = {
            tensor.name: Block(tensor, slots, list(self._axes[tensor.name])) for tensor in tensors
        }
        self._sizes = {name: np.zeros(slots, np.int64) for name in self._rooms}

    def put(self, contexts: Sequence[tuple[Sequence[int], Mapping[str, Array]]], rows: int) -> None:
        """Write the context of each sequence to its rows; `rows` slots are in use, these included."""
        for name, axes in self._axes.items():
            for axis, label in axes.items():
                for slots, context in contexts:
                    self._sizes[label][list(slots)] = context[name].shape[axis - 1]
        self._fit(rows)
        for name, block in self._blocks.items():
            for slots, context in contexts:
                for slot in slots:
                    block.put(slot, context[name])

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make the rows of `targets` what those of `sources` are."""
        for sizes in self._sizes.values():
            sizes[targets] = sizes[sources]
        for block in self._blocks.values():
            block.array[targets] = block.array[sources]

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the context inputs of a run over neighbouring slots."""
        return {name: block.array[part] for name, block in self._blocks.items()}

    def _fit(self, rows: int) -> None:
        wanted = {label: room_for(int(sizes[:rows].max())) for label, sizes in self._sizes.items()}
        # Shrinking waits until it halves the room: else one long text would be copied around again and again.
        changed = {
            label
            for label, room in wanted.items()
            if room > self._rooms[label] or room * 2 <= self._rooms[label]
        }
        self._rooms.update({label: wanted[label] for label in changed})
        for name, axes in self._axes.items():
            if changed & set(axes.values()):
                self._blocks[name].resize([self._rooms[label] for label in axes.values()], rows)


def _free_axes(tensor: Tensor) -> dict[int, str]:
    return {axis: size for axis, size in enumerate(tensor.shape) if axis > 0 and isinstance(size, str)}

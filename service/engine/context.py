"""Keep each running row's context, the encoder's output for it, where its slot is.

Driven by the signature's context inputs: axes of one name have one room, so that a mask fits what it masks. Knows
arrays and names; knows no encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.bundle import Tensor
from service.domain import Array
from service.engine.block import Block, alike, fits, room_for
from service.engine.contracts import Held


class ContextRows:
    """The context inputs of all slots. A row is written once, when its sequence starts. `version` is new when they lie
    elsewhere.
    """

    room_step = 8

    def __init__(self, tensors: Sequence[Tensor], slots: int) -> None:
        forms = alike(tensors)
        self._names = [[tensor.name for tensor in form] for form in forms]
        self._axes = [_free_axes(form[0]) for form in forms]
        self._rooms = {label: self.room_step for axes in self._axes for label in axes.values()}
        self._blocks = [
            Block(form, slots, list(axes), self.room_step)
            for form, axes in zip(forms, self._axes, strict=True)
        ]
        self.version = 0
        self._sizes = {label: [0] * slots for label in self._rooms}
        # An input that has the size of each free axis, and which of its axes it is.
        self._told_by = {
            label: (names[0], axis)
            for names, axes in zip(self._names, self._axes, strict=True)
            for axis, label in axes.items()
        }

    def put(self, contexts: Sequence[tuple[Sequence[int], Mapping[str, Array]]], rows: int) -> None:
        """Write the context of each sequence to its rows; `rows` slots are in use, these included."""
        before = {label: sizes.copy() for label, sizes in self._sizes.items()}
        for label, (name, axis) in self._told_by.items():
            sizes = self._sizes[label]
            for slots, context in contexts:
                for slot in slots:
                    sizes[slot] = context[name].shape[axis - 1]
        self._fit(rows)
        for names, axes, block in zip(self._names, self._axes, self._blocks, strict=True):
            for slots, context in contexts:
                values = [context[name] for name in names]
                for slot in slots:
                    block.put(slot, values, [before[label][slot] for label in axes.values()])

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make the rows of `targets` what those of `sources` are."""
        for sizes in self._sizes.values():
            moved = [sizes[source] for source in sources]
            for target, size in zip(targets, moved, strict=True):
                sizes[target] = size
        for block in self._blocks:
            block.move(sources, targets)

    def feeds(self, part: slice) -> dict[str, Array | Held]:
        """Return the context inputs of a run over neighbouring slots."""
        return {name: array[part] for block in self._blocks for name, array in block.by_name.items()}

    def _fit(self, rows: int) -> None:
        wanted = {label: room_for(max(sizes[:rows]), self.room_step) for label, sizes in self._sizes.items()}
        changed = {label for label, room in wanted.items() if not fits(room, self._rooms[label])}
        if not changed:
            return
        self.version += 1
        self._rooms.update({label: wanted[label] for label in changed})
        for block, axes in zip(self._blocks, self._axes, strict=True):
            if changed & set(axes.values()):
                block.use(block.resized([self._rooms[label] for label in axes.values()], rows))
                block.pad_from(rows)


def _free_axes(tensor: Tensor) -> dict[int, str]:
    return {axis: size for axis, size in enumerate(tensor.shape) if axis > 0 and isinstance(size, str)}

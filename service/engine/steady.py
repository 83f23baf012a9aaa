"""Feeds that are the same arrays step after step, and runs that are bound to them.

While rows stay where they lie, a step is fed views of the same memory, in which only the numbers change. Such a run need not
be told its arrays again, and gives its outputs in the arrays of the one before. Knows no rows and no model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from service.domain import Array
from service.engine.contracts import BindingSession, Session

MOST_FORMS = 256
"""Of so many shapes of rows it is remembered what they give."""


class OutputRows:
    """Where runs of feeds that stay write what they give: one array for each output, of `slots` rows, of which a run has
    the first. Runs come one after another; each overwrites what the one before gave.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._arrays: dict[str, Array] = {}
        self._forms: dict[tuple[tuple[int, ...], ...], dict[str, tuple[tuple[int, ...], np.dtype]]] = {}

    def of(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return the arrays for a run of `feeds`; none before `learn` was told of one whose rows are of the same shapes."""
        rows = _count(feeds)
        forms = self._forms.get(_row_shapes(feeds), {})
        return {name: self._array(name, shape, dtype)[:rows] for name, (shape, dtype) in forms.items()}

    def learn(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Take note of what a run of `feeds` gave: rows of the same shapes give the same, however many they are."""
        if len(self._forms) >= MOST_FORMS:
            self._forms.clear()
        self._forms[_row_shapes(feeds)] = {
            name: (array.shape[1:], array.dtype) for name, array in outputs.items()
        }

    def _array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        array = self._arrays.get(name)
        if array is None or array.shape[1:] != shape:
            array = self._arrays[name] = np.empty((self._slots, *shape), dtype)
        return array


class SteadyFeeds(dict[str, "Array"]):
    """Feeds whose arrays stay, and what a run of them gives, which is in `kept`."""

    def __init__(self, feeds: Mapping[str, Array], kept: OutputRows) -> None:
        super().__init__(feeds)
        self._kept = kept
        self.rows = _count(feeds)
        self.outputs = kept.of(feeds)
        self._bound: dict[tuple[int, ...], list[Callable[[], None]]] = {}

    def run(self, session: Session, names: Sequence[str]) -> None:
        """Make a run that tells what the outputs `names` are like; raises whatever the runtime raises."""
        made = dict(zip(names, session.run(self, names), strict=True))
        self._kept.learn(self, made)
        self.outputs = self._kept.of(self)
        for name, array in made.items():
            self.outputs[name][:] = array

    def bound(self, session: BindingSession, cuts: tuple[int, ...]) -> Sequence[Callable[[], None]]:
        """Return the runs that write `outputs` anew, always by the same session: one for all rows, or if there are `cuts`,
        rows at which the next one begins, that many more.
        """
        runs = self._bound.get(cuts)
        if runs is None:
            parts = [slice(*ends) for ends in itertools.pairwise((0, *cuts, None))]
            runs = [session.bind(_part(self, part), _part(self.outputs, part)) for part in parts]
            self._bound[cuts] = runs
        return runs


def _count(feeds: Mapping[str, Array]) -> int:
    return len(next(iter(feeds.values())))


def _row_shapes(feeds: Mapping[str, Array]) -> tuple[tuple[int, ...], ...]:
    return tuple([array.shape[1:] for array in feeds.values()])


def _part(arrays: Mapping[str, Array], part: slice) -> dict[str, Array]:
    return {name: array[part] for name, array in arrays.items()}

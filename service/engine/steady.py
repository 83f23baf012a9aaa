"""Feeds that are the same arrays step after step, and runs that are bound to them.

While rows stay where they lie, a step is fed views of the same memory, in which only the numbers change. Such a run need not
be told its arrays again, and gives its outputs in the arrays of the one before. Knows no rows and no model.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from service.domain import Array
from service.engine.contracts import BindingSession, Session


class SteadyFeeds(dict[str, "Array"]):
    """Feeds whose arrays stay; what a run of them gives is overwritten by the next one.

    `outputs` are the arrays that a run of feeds of the same shapes gave; if they are not known yet, the first run adds
    them.
    """

    def __init__(self, feeds: Mapping[str, Array], outputs: dict[str, Array] | None = None) -> None:
        super().__init__(feeds)
        self._outputs: dict[str, Array] = {} if outputs is None else outputs
        self._bound: dict[tuple[int, ...], list[Callable[[], None]]] = {}

    @property
    def rows(self) -> int:
        """How many rows are run."""
        return len(next(iter(self.values())))

    @property
    def outputs(self) -> dict[str, Array]:
        """What the last run gave, always the same arrays; empty before the first."""
        return self._outputs

    def run(self, session: Session, names: Sequence[str]) -> None:
        """Make the first run, which tells what the outputs `names` are like; raises whatever the runtime raises."""
        self._outputs.update(zip(names, session.run(self, names), strict=True))

    def bound(self, session: BindingSession, cuts: tuple[int, ...]) -> Sequence[Callable[[], None]]:
        """Return the runs that write `outputs` anew, always by the same session: one for all rows, or if there are `cuts`,
        rows at which the next one begins, that many more.
        """
        runs = self._bound.get(cuts)
        if runs is None:
            parts = [slice(*ends) for ends in itertools.pairwise((0, *cuts, None))]
            runs = [session.bind(_rows(self, part), _rows(self._outputs, part)) for part in parts]
            self._bound[cuts] = runs
        return runs


def _rows(arrays: Mapping[str, Array], part: slice) -> dict[str, Array]:
    return {name: array[part] for name, array in arrays.items()}

"""Feeds that are the same arrays step after step, and runs that are bound to them.

While rows stay where they lie, a step is fed views of the same memory, in which only the numbers change. Such a run need not
be told its arrays again, and gives its outputs in the arrays of the one before. Knows no rows and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from service.domain import Array
from service.engine.contracts import BindingSession


class SteadyFeeds(dict[str, "Array"]):
    """Feeds whose arrays stay; what a run of them gives is overwritten by the next one."""

    def __init__(self, feeds: Mapping[str, Array]) -> None:
        super().__init__(feeds)
        self._outputs: list[Array] = []
        self._bound: Callable[[], None] | None = None

    def run(self, session: BindingSession, names: Sequence[str]) -> list[Array]:
        """Run once, always by the same session, and return the outputs `names`; raises whatever the runtime raises."""
        if self._bound is None:
            # The first run tells what its outputs are like.
            self._outputs = session.run(self, names)
            self._bound = session.bind(self, dict(zip(names, self._outputs, strict=True)))
        else:
            self._bound()
        return self._outputs

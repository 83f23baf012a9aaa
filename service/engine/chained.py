"""Make one session of graphs that belong together: inputs that never change, and an encoder with a decoder's first pass.

Each is a `contracts.Session` around others. Knows names and arrays; knows no models, files or callers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.domain import Array, Tensors
from service.engine.contracts import GraphTensor, Session


class BoundSession:
    """A session some of whose inputs always have the same value, and are not asked for."""

    def __init__(self, session: Session, values: Tensors) -> None:
        self._session = session
        self._values = dict(values)
        self.inputs: Mapping[str, GraphTensor] = {
            name: tensor for name, tensor in session.inputs.items() if name not in values
        }
        self.outputs: Mapping[str, GraphTensor] = session.outputs

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once; raises whatever the runtime raises."""
        return self._session.run({**feeds, **self._values}, outputs)


class ChainedSession:
    """Two sessions, one after the other: what the second one takes by the name of an output of the first is that.

    Inputs are those of the first, and what is left of the second's. Outputs are those of both; `first_names` and
    `second_names` say what a tensor of either is called outside, where that differs. `same` has inputs of
    the second that are the same for every row, without the batch, as the caches of a sequence that has not begun.
    """

    def __init__(
        self,
        first: Session,
        second: Session,
        *,
        first_names: Mapping[str, str],
        second_names: Mapping[str, str],
        same: Mapping[str, Array],
    ) -> None:
        self._first, self._second = first, second
        self._first_names, self._second_names = dict(first_names), dict(second_names)
        self._same = dict(same)
        made = {self._outside_first(name): tensor for name, tensor in first.outputs.items()}
        given = {self._outside_first(name): tensor for name, tensor in first.inputs.items()}
        left = {
            name: tensor
            for name, tensor in second.inputs.items()
            if name not in made and name not in given and name not in same
        }
        self.inputs: Mapping[str, GraphTensor] = {**given, **left}
        self.outputs: Mapping[str, GraphTensor] = {
            **made,
            **{second_names.get(name, name): tensor for name, tensor in second.outputs.items()},
        }

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run both once; raises whatever the runtime raises."""
        names = list(self._first.outputs)
        given = {name: feeds[self._outside_first(name)] for name in self._first.inputs}
        between = {
            self._outside_first(name): array
            for name, array in zip(names, self._first.run(given, names), strict=True)
        }
        known = {**feeds, **between, **self._same_rows(len(next(iter(feeds.values()))))}
        back = {outside: name for name, outside in self._second_names.items()}
        wanted = [name for name in outputs if name not in between]
        made = self._second.run(
            {name: known[name] for name in self._second.inputs}, [back.get(name, name) for name in wanted]
        )
        found = {**between, **dict(zip(wanted, made, strict=True))}
        return [found[name] for name in outputs]

    def _outside_first(self, name: str) -> str:
        return self._first_names.get(name, name)

    def _same_rows(self, rows: int) -> dict[str, Array]:
        return {name: np.repeat(row[None], rows, axis=0) for name, row in self._same.items()}

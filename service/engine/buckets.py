"""Run a step graph on a device in few shapes, at addresses that stay, so that its runs can be recorded and replayed.

Knows shapes, addresses and graph ids; knows no runtime, model or scheduler.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.domain import Array, Tensors
from service.engine.contracts import GraphTensor, Held
from service.engine.device import NOT_RECORDED, DeviceSession, Resident

MOST_BUCKETS = 32
"""Each keeps a graph and the memory of its inputs and outputs; who was not used longest is let go."""

Bound = Mapping[str, Array | Resident]
Key = tuple[tuple[str, tuple[int, ...], str, int], ...]


def bucket_of(rows: int) -> int:
    """Return how many rows are run for `rows` of them: the next power of two."""
    return 1 << max(0, rows - 1).bit_length()


def key_of(feeds: Bound) -> Key:
    """Return what a recorded run depends on: name, shape, dtype and address of each input, 0 for what is sent."""
    return tuple(
        (name, value.shape, value.dtype, value.address)
        if isinstance(value, Resident)
        else (name, value.shape, value.dtype.name, 0)
        for name, value in sorted(feeds.items())
    )


def widened(value: Array | Resident, rows: int) -> Array | Resident:
    """Return a feed with more rows: what is sent repeats its last row, what stays takes in the rows behind.

    So nothing that is fed is out of a model's range. What a graph gives for these rows is nobody's.
    """
    if isinstance(value, Resident):
        return value.rows(0, rows)
    return np.pad(value, [(0, rows - len(value)), *[(0, 0)] * (value.ndim - 1)], mode="edge")


@dataclass(slots=True)
class Bucket:
    """The memory of one shape's inputs that are sent, and of its outputs, and the graph that was recorded with it."""

    inputs: dict[str, Resident]
    results: dict[str, Resident]
    graph_id: int


class BucketedSteps:
    """A `contracts.HoldingSession` over a session on a device, for a graph that takes `tokens` [rows, time]."""

    def __init__(self, session: DeviceSession, tokens: str) -> None:
        self._session = session
        self._tokens = tokens
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()
        # 0 is the runtime's own; a number is never used twice, so that no recorded run meets other addresses.
        self._ids = itertools.count(1)

    @property
    def inputs(self) -> Mapping[str, GraphTensor]:
        """What the graph takes."""
        return self._session.inputs

    @property
    def outputs(self) -> Mapping[str, GraphTensor]:
        """What the graph gives."""
        return self._session.outputs

    def run(self, feeds: Tensors, outputs: Sequence[str]) -> list[Array]:
        """Run once; raises whatever the runtime raises."""
        return self._session.run(feeds, outputs)

    def run_held(
        self, feeds: Mapping[str, Array | Held], outputs: Sequence[str], held: Sequence[str]
    ) -> tuple[list[Array], list[Held]]:
        """Run once; a step in the shape of its bucket, so that `held` may have more rows than were fed."""
        names = (*outputs, *held)
        bound = {
            name: value if isinstance(value, Resident) else np.asarray(value) for name, value in feeds.items()
        }
        rows, time = bound[self._tokens].shape
        wide = bucket_of(rows)
        if time == 1 and _may_widen(bound, wide):
            made = self._step({name: widened(value, wide) for name, value in bound.items()}, names)
        else:
            made = self._session.run_bound(bound, dict.fromkeys(names))
        return [made[name].numpy()[:rows] for name in outputs], [made[name] for name in held]

    def _step(self, feeds: Bound, names: Sequence[str]) -> dict[str, Resident]:
        key = key_of(feeds)
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._open(key, feeds, names)
        self._buckets.move_to_end(key)
        bound = self._send(bucket.inputs, feeds)
        try:
            return self._session.run_bound(bound, bucket.results, bucket.graph_id)
        except Exception:
            if bucket.graph_id == NOT_RECORDED:
                raise
            # What cannot be recorded, or not beside what else the device does now, can still be run.
            self._session.forget(bucket.graph_id)
            bucket.graph_id = NOT_RECORDED
            return self._session.run_bound(bound, bucket.results)

    def _open(self, key: Key, feeds: Bound, names: Sequence[str]) -> dict[str, Resident]:
        """Run once to see the outputs' shapes, and keep memory for them: not that of the run, which is its arena's and may
        be inside a recorded run's scratch later.
        """
        inputs = {
            name: self._session.allocate(value.shape, value.dtype.name)
            for name, value in feeds.items()
            if not isinstance(value, Resident)
        }
        made = self._session.run_bound(self._send(inputs, feeds), dict.fromkeys(names))
        results = {name: self._session.allocate(each.shape, each.dtype) for name, each in made.items()}
        graph_id = next(self._ids) if self._session.records else NOT_RECORDED
        self._buckets[key] = Bucket(inputs, results, graph_id)
        if len(self._buckets) > MOST_BUCKETS:
            _, gone = self._buckets.popitem(last=False)
            self._session.forget(gone.graph_id)
        return made

    def _send(self, inputs: Mapping[str, Resident], feeds: Bound) -> dict[str, Array | Resident]:
        for name, resident in inputs.items():
            array = feeds[name]
            assert isinstance(array, np.ndarray), "what is sent comes from the host"
            resident.memory.write(array)
        return {**feeds, **inputs}


def _may_widen(feeds: Bound, rows: int) -> bool:
    """Say whether all of it is there: a row's past is not empty, and there are enough rows behind what stays."""
    return all(
        value.offset_bytes + rows * value.row_bytes <= value.memory.nbytes
        if isinstance(value, Resident)
        else value.size > 0
        for value in feeds.values()
    )

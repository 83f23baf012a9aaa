"""Decode greedily by bare `session.run`s: the least that any server has to do for these tokens.

Knows a step graph's inputs from its manifest. One or many requests that begin together; rows that have ended are left
out of the next run. Knows nothing of arrivals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.generation.subject import Subject
from loadtests.generation.trace import Request
from service.bundle import Translate

Array = NDArray[Any]


@dataclass(slots=True)
class _Rows:
    """What the next run is fed, and how many tokens each row has been told."""

    ids: Array
    lengths: Array
    age: int
    state: dict[str, Array]
    context: dict[str, Array]


def decode(subject: Subject, requests: Sequence[Request]) -> Iterator[list[tuple[int, int]]]:
    """Decode until the longest of `requests` ends; yields after each run the tokens made, each with whose it is."""
    graph, end = subject.task.step, subject.task.end_id
    names = [graph.logits, *(entry.output for entry in graph.state)]
    rows = _begin(subject, requests)
    left = [request.max_tokens for request in requests]
    alive = list(range(len(requests)))
    while alive:
        logits, *after = subject.step.run(names, _feeds(subject, rows))
        chosen = logits.argmax(axis=1)
        made = list(zip(alive, chosen.tolist(), strict=True))
        yield made
        going, kept = list[int](), list[int]()
        for place, (row, token) in enumerate(made):
            left[row] -= 1
            if token != end and left[row]:
                going.append(row)
                kept.append(place)
        _advance(subject, rows, after, chosen)
        if len(going) < len(alive):
            _keep(rows, kept)
        alive = going


def _begin(subject: Subject, requests: Sequence[Request]) -> _Rows:
    task, count = subject.task, len(requests)
    context: dict[str, Array] = {}
    prompts = [request.prompt for request in requests]
    if isinstance(task, Translate):
        assert subject.encode is not None
        wanted = list(task.step.context)
        made = subject.encode.run(wanted, {task.source: _padded(prompts, task.pad_id)})
        context = dict(zip(wanted, made, strict=True))
        prompts = [(task.start_id,)] * count
    state = {}
    for entry in task.step.state:
        shape = [
            0 if isinstance(axis, str) else axis for axis in subject.signature.input(entry.input).shape[1:]
        ]
        state[entry.input] = np.zeros((count, *shape), np.float32)
    lengths = np.array([len(prompt) for prompt in prompts], np.int32)
    return _Rows(_padded(prompts, 0), lengths, 0, state, context)


def _feeds(subject: Subject, rows: _Rows) -> dict[str, Array]:
    graph, count = subject.task.step, len(rows.ids)
    feeds = {graph.tokens: rows.ids, **rows.state, **rows.context}
    if graph.lengths is not None:
        feeds[graph.lengths] = rows.lengths
    if graph.positions is not None:
        feeds[graph.positions] = np.full((count, 1), rows.age, np.int32)
    if graph.past_mask is not None:
        feeds[graph.past_mask] = np.ones((count, rows.age), np.float32)
    return feeds


def _advance(subject: Subject, rows: _Rows, after: Sequence[Array], chosen: Array) -> None:
    for entry, output in zip(subject.task.step.state, after, strict=True):
        before = rows.state[entry.input]
        appended = entry.mode == "append"
        rows.state[entry.input] = np.concatenate((before, output), entry.axis or 0) if appended else output
    rows.ids = chosen.astype(np.int32)[:, None]
    if rows.age == 0:
        rows.lengths = np.ones(len(chosen), np.int32)
    rows.age += 1


def _keep(rows: _Rows, kept: list[int]) -> None:
    rows.ids, rows.lengths = rows.ids[kept], rows.lengths[kept]
    rows.state = {name: array[kept] for name, array in rows.state.items()}
    rows.context = {name: array[kept] for name, array in rows.context.items()}


def _padded(prompts: Sequence[tuple[int, ...]], pad: int) -> Array:
    array = np.full((len(prompts), max(map(len, prompts))), pad, np.int32)
    for row, prompt in enumerate(prompts):
        array[row, : len(prompt)] = prompt
    return array

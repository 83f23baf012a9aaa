"""Measure how unlike another graph's answers a graph's are, where both are meant to say the same.

Knows arrays and which outputs decide something, and nothing of files or runtimes. `service.bundle.Fidelity` says what is
measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.drawing import Case, draw, free_axes
from export.parity import Runner, relative
from export.recipe import Arrays
from service.bundle import Classify, Fidelity, Generate, Signature, Task, Translate

ROWS = 32
LONGEST = 12
SEEDS = (0, 1)

Sides = tuple[Runner, Runner]
Decisive = Mapping[str, bool]
"""By output whose largest entry is what counts: whether its entries are logits (or else probabilities)."""


def decisive(task: Task) -> Decisive:
    """Return which outputs decide something by their largest entry."""
    match task:
        case Classify():
            return {task.probabilities: False}
        case Generate() | Translate():
            return {task.step.logits: True}
        case _:
            return {}


def measure(signature: Signature, sides: Sides, decide: Decisive, example: Arrays | None) -> Fidelity:
    """Compare both sides on the rows of `example`, if it has every input, and on drawn ones where those are few."""
    tally = _Tally(decide)
    for feeds in _requests(signature, example):
        tally.add(sides[0](feeds), sides[1](feeds))
    return tally.fidelity()


def _requests(signature: Signature, example: Arrays | None) -> Iterator[Arrays]:
    names = {tensor.name for tensor in signature.inputs}
    if example is not None and example.keys() >= names:
        yield {name: example[name] for name in names}
        if len(next(iter(example.values()))) >= ROWS:
            return
    sizes = dict.fromkeys(free_axes(signature.inputs), LONGEST)
    for seed in SEEDS:
        yield draw(signature.inputs, Case(ROWS, sizes, seed, mixed=seed % 2 == 1), example).feeds


class _Tally:
    """Adds up answers of both sides; rows are those of the first axis."""

    def __init__(self, decide: Decisive) -> None:
        self._decide = decide
        self._rows = 0
        self._agreeing = 0
        self._worst = 0.0
        self._divergences: list[NDArray[np.float64]] = []
        self._numbers: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}

    def add(self, expected: Arrays, got: Arrays) -> None:
        rows = max((len(array) for array in expected.values() if array.ndim), default=1)
        alike = np.ones(rows, np.bool_)
        for name, wanted in expected.items():
            answer = got[name]
            if name in self._decide:
                alike &= _by_row(wanted.argmax(-1) == answer.argmax(-1), rows)
                self._divergences.append(divergence(wanted, answer, logits=self._decide[name]).ravel())
            elif wanted.dtype.kind != "f":
                alike &= _by_row(wanted == answer, rows)
            else:
                self._numbers.setdefault(name, []).append((wanted, answer))
            if wanted.dtype.kind == "f":
                self._worst = max(self._worst, relative(wanted, answer))
        self._rows += rows
        self._agreeing += int(alike.sum())

    def fidelity(self) -> Fidelity:
        return Fidelity(
            rows=self._rows,
            agreement=self._agreeing / self._rows,
            divergence=float(np.concatenate(self._divergences).mean()) if self._divergences else 0.0,
            deviation=max((_deviation(pairs) for pairs in self._numbers.values()), default=0.0),
            max_relative=self._worst,
        )


def divergence(expected: NDArray[Any], got: NDArray[Any], *, logits: bool) -> NDArray[np.float64]:
    """Return the Kullback-Leibler divergence along the last axis, in nats."""
    p, q = (_log_probabilities(array.astype(np.float64), logits=logits) for array in (expected, got))
    result: NDArray[np.float64] = np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)
    return result


def _log_probabilities(array: NDArray[np.float64], *, logits: bool) -> NDArray[np.float64]:
    logarithms = array if logits else np.log(np.maximum(array, 1e-12))
    shifted = logarithms - logarithms.max(-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _deviation(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    """Return the root of the mean square difference over the standard deviation of what is expected."""
    expected, got = (
        np.concatenate([pair[side].ravel() for pair in pairs]).astype(np.float64) for side in (0, 1)
    )
    if not expected.size:
        return 0.0
    difference = float(np.sqrt(np.square(expected - got).mean()))
    return difference / max(float(expected.std()), 1e-12) if difference else 0.0


def _by_row(same: NDArray[np.bool_], rows: int) -> NDArray[np.bool_]:
    """Return for each row whether all of it is the same; what has no rows counts for each of them."""
    if same.ndim and len(same) == rows:
        return np.asarray(same.reshape(rows, -1).all(1))
    return np.full(rows, same.all())

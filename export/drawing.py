"""Draw inputs for a signature from nothing but their description in the manifest.

Knows what the kinds of tensors mean, and nothing of models, files or runtimes. The same case always draws the
same numbers.

Sequences are ragged: every row has its own number of valid entries along each free axis, `token_ids` carry
their padding to the right of it, and `lengths`, `mask` and `positions` agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import RecipeError
from export.recipe import Arrays
from service.bundle import Tensor

BATCH = "batch"
ROWS = (1, 3, 32)
SEEDS = (0, 1)
LONGEST = 33


@dataclass(frozen=True, slots=True)
class Case:
    """One drawing: how many rows, how long each free axis is, and the seed.

    `mixed` takes `values` as mixes of the rows of an example where there is one.
    """

    rows: int
    sizes: Mapping[str, int]
    seed: int
    mixed: bool = False

    def __str__(self) -> str:
        sizes = "".join(f", {axis} {size}" for axis, size in self.sizes.items())
        return f"batch {self.rows}{sizes}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The inputs of one case, and how many entries of each row are valid along each free axis."""

    feeds: dict[str, NDArray[Any]]
    valid: Mapping[str, NDArray[np.int64]]
    ragged: bool


def cases(
    inputs: Sequence[Tensor],
    *,
    rows: Sequence[int] = ROWS,
    seeds: Sequence[int] = SEEDS,
    longest: int = LONGEST,
) -> Iterator[Case]:
    """Yield every combination of batch size, axis size and seed; odd seeds mix examples.

    An axis that only states and masks have is a past, which is empty at the first step.
    """
    axes = free_axes(inputs)
    lengths = [_sizes(axis, inputs, longest) for axis in axes]
    for count, sizes, seed in product(rows, product(*lengths), seeds):
        yield Case(count, dict(zip(axes, sizes, strict=True)), seed, mixed=seed % 2 == 1)


def free_axes(tensors: Sequence[Tensor]) -> tuple[str, ...]:
    """Return the names of all free axes except the batch, in the order of their first appearance."""
    names = [axis for tensor in tensors for axis in tensor.shape if isinstance(axis, str) and axis != BATCH]
    return tuple(dict.fromkeys(names))


def draw(inputs: Sequence[Tensor], case: Case, example: Arrays | None = None) -> Drawn:
    """Draw all `inputs` of a signature for one case; raises RecipeError if their kinds do not fit together.

    `example` has arrays by input name whose rows are real data.
    """
    rng = np.random.default_rng((case.seed, case.rows, *case.sizes.values()))
    sketch = _Sketch(tuple(inputs), case, rng, _valid(inputs, case, rng), example or {})
    feeds = {tensor.name: _KINDS[tensor.kind](tensor, sketch) for tensor in inputs}
    sizes = {axis: size for tensor in inputs for axis, size in _ragged_axes(tensor, case)}
    ragged = any(bool((sketch.valid[axis] < size).any()) for axis, size in sizes.items())
    return Drawn(feeds, sketch.valid, ragged)


@dataclass(frozen=True, slots=True)
class _Sketch:
    inputs: tuple[Tensor, ...]
    case: Case
    rng: np.random.Generator
    valid: dict[str, NDArray[np.int64]]
    example: Arrays

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        known = {BATCH: self.case.rows, **self.case.sizes}
        return tuple(known[axis] if isinstance(axis, str) else axis for axis in tensor.shape)


def _sizes(axis: str, inputs: Sequence[Tensor], longest: int) -> tuple[int, ...]:
    sizes = (0, 1, min(7, longest)) if _is_past(axis, inputs) else (1, min(6, longest), longest)
    return tuple(dict.fromkeys(sizes))


def _is_past(axis: str, inputs: Sequence[Tensor]) -> bool:
    having = {tensor.kind for tensor in inputs if axis in tensor.shape}
    return "state" in having and having <= {"state", "mask"}


def _ragged_axes(tensor: Tensor, case: Case) -> list[tuple[str, int]]:
    """Return the axis of a tensor along which rows end, as its name and size: the second of tokens and masks,
    any free one of others. A fixed one is called after its tensor, so that it is nobody else's.
    """
    if tensor.kind in {"token_ids", "mask"} and len(tensor.shape) > 1:
        axis = tensor.shape[1]
        return [(axis, case.sizes[axis]) if isinstance(axis, str) else (f"{tensor.name}[1]", axis)]
    return [(axis, case.sizes[axis]) for axis in tensor.shape if isinstance(axis, str) and axis != BATCH]


def _valid(inputs: Sequence[Tensor], case: Case, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    valid: dict[str, NDArray[np.int64]] = {}
    for axis, size in (pair for tensor in inputs for pair in _ragged_axes(tensor, case)):
        if axis in valid:
            continue
        if _can_be_ragged(axis, inputs):
            valid[axis] = rng.integers(min(size, 0 if _is_past(axis, inputs) else 1), size + 1, case.rows)
            if case.seed % 2 == 0:  # a batch is as long as its longest row, unless it was padded to a bucket
                valid[axis][rng.integers(case.rows)] = size
        else:
            valid[axis] = np.full(case.rows, size, np.int64)
    return valid


def _can_be_ragged(axis: str, inputs: Sequence[Tensor]) -> bool:
    """Only where tokens are padded or a mask says so can a row be shorter than its neighbours."""
    return any(
        tensor.kind in {"token_ids", "mask"} and len(tensor.shape) > 1 and _second(tensor) == axis
        for tensor in inputs
    )


def _second(tensor: Tensor) -> str:
    return tensor.shape[1] if isinstance(tensor.shape[1], str) else f"{tensor.name}[1]"


def _numbers(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    dtype, shape = np.dtype(tensor.dtype), sketch.shape(tensor)
    if dtype.kind == "b":
        return sketch.rng.random(shape) < 0.5
    if dtype.kind in "iu":
        low, high = tensor.range or (0, 2)
        return sketch.rng.integers(int(low), int(high), shape).astype(dtype)
    if tensor.range is None:
        return sketch.rng.standard_normal(shape).astype(dtype)
    return sketch.rng.uniform(*tensor.range, shape).astype(dtype)


def _values(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    if tensor.dtype == "string":
        raise RecipeError(f"input '{tensor.name}': strings cannot be drawn; tokenise outside the graph")
    real: NDArray[Any] | None = sketch.example.get(tensor.name)
    # What is no row at all, such as how many neighbours are wanted, has nothing to be mixed with.
    if not sketch.case.mixed or real is None or not real.ndim or real.shape[1:] != sketch.shape(tensor)[1:]:
        return _numbers(tensor, sketch)
    first, second = sketch.rng.integers(len(real), size=(2, sketch.case.rows))
    share = sketch.rng.random((sketch.case.rows,) + (1,) * (real.ndim - 1))
    mixed = real[first] if real.dtype.kind != "f" else share * real[first] + (1 - share) * real[second]
    return np.asarray(mixed, tensor.dtype)


def _token_ids(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    if tensor.range is None:
        raise RecipeError(f"input '{tensor.name}': token ids need a range [0, vocabulary size)")
    low, high = (int(bound) for bound in tensor.range)
    ids = sketch.rng.integers(low, high, sketch.shape(tensor))
    if ids.ndim == 1:
        return ids.astype(tensor.dtype)
    if not _says_where_it_ends(tensor, sketch.inputs):
        # The graph itself takes the pad id for the end of a row, so it cannot stand in the middle of one.
        ids[ids == tensor.pad] = tensor.pad + (1 if tensor.pad + 1 < high else -1)
    ids[np.arange(ids.shape[1]) >= sketch.valid[_second(tensor)][:, None]] = tensor.pad
    return ids.astype(tensor.dtype)


def _says_where_it_ends(tokens: Tensor, inputs: Sequence[Tensor]) -> bool:
    return any(
        tensor.kind == "lengths" or (tensor.kind == "mask" and _second(tensor) == _second(tokens))
        for tensor in inputs
    )


def _tokens_of(sketch: _Sketch, wanted_by: Tensor) -> Tensor:
    for tensor in sketch.inputs:
        if tensor.kind == "token_ids" and len(tensor.shape) > 1:
            return tensor
    raise RecipeError(f"input '{wanted_by.name}': {wanted_by.kind} need an input of token ids to belong to")


def _lengths(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    return sketch.valid[_second(_tokens_of(sketch, tensor))].astype(tensor.dtype)


def _mask(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    if len(tensor.shape) != 2:
        raise RecipeError(f"input '{tensor.name}': a mask has the shape [batch, axis]")
    size = sketch.shape(tensor)[1]
    return (np.arange(size) < sketch.valid[_second(tensor)][:, None]).astype(tensor.dtype)


def _positions(tensor: Tensor, sketch: _Sketch) -> NDArray[Any]:
    """Each new token stands behind the row's past; without one, behind as many as its range allows."""
    shape = sketch.shape(tensor)
    time = shape[1] if len(shape) > 1 else 1
    last = int(tensor.range[1]) - 1 if tensor.range else LONGEST * 2
    past = next((axis for axis in sketch.case.sizes if _is_past(axis, sketch.inputs)), None)
    start = sketch.rng.integers(0, max(last - time, 0) + 1, shape[0]) if past is None else sketch.valid[past]
    positions = np.minimum(start[:, None] + np.arange(time), last)
    return np.asarray(positions.reshape(shape), tensor.dtype)


_KINDS: dict[str, Callable[[Tensor, _Sketch], NDArray[Any]]] = {
    "values": _values,
    "token_ids": _token_ids,
    "lengths": _lengths,
    "positions": _positions,
    "mask": _mask,
    "state": _numbers,
    "context": _numbers,
}

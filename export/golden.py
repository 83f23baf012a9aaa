"""Choose a golden request, record its answer, read it back.

Knows arrays and the `.npz` file of a golden request, and nothing of runtimes: the answer comes from a function.

The answer is the SavedModel's. Rows whose verdict hangs on rounding are left out, so that a gateway on another
machine may demand the same verdict.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.drawing import BATCH, Case, draw, free_axes
from export.errors import RecipeError
from export.parity import Measure, Runner, undecided
from export.recipe import Arrays
from service.bundle import ASSETS, BundleError, Signature, Tensor

ROWS = 4
LEEWAY = 10.0
"""How many times the parity tolerance another machine may be away: its kernels round differently."""


def file(signature: str) -> str:
    """Return where in a version the golden request of a signature lies."""
    return f"{ASSETS}/golden-{signature}.npz"


def request(inputs: Sequence[Tensor], example: Arrays | None) -> Arrays:
    """Return the first rows of `example` where it has every input, else draw a ragged request.

    Raises RecipeError if the rows of an example do not have the shape or dtype of its input.
    """
    if example and example.keys() >= {tensor.name for tensor in inputs}:
        chosen = {tensor.name: example[tensor.name][:ROWS] for tensor in inputs}
        for tensor in inputs:
            _check(tensor, chosen)
        return chosen
    sizes = {axis: max(5 - index, 1) for index, axis in enumerate(free_axes(inputs))}
    return draw(inputs, Case(3, sizes, seed=0, mixed=True), example).feeds


def record(run: Runner, inputs: Sequence[Tensor], feeds: Arrays, by: Measure) -> tuple[Arrays, Arrays]:
    """Return the inputs and outputs of a golden request, without the rows that rounding decides."""
    answer = run(feeds)
    clear = np.ones(len(next(iter(feeds.values()))), np.bool_)
    for decision in by.decisions:
        clear &= ~undecided(answer, decision, by.tolerance * LEEWAY**2)
    if clear.all() or not all(tensor.shape[:1] == (BATCH,) for tensor in inputs):
        return feeds, answer
    if not clear.any():
        raise RecipeError(
            "every row of the example lies at the threshold: give others for the golden request"
        )
    chosen = {name: array[clear] for name, array in feeds.items()}
    return chosen, run(chosen)


def write(path: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Write a golden request: arrays `in.<input>` and `out.<output>`, without pickles."""
    arrays = {f"in.{name}": array for name, array in inputs.items()}
    arrays |= {f"out.{name}": array for name, array in outputs.items()}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Path, signature: Signature) -> tuple[Arrays, Arrays]:
    """Return inputs and outputs of a golden request; raises BundleError if the file is not one of `signature`."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"golden request '{path.name}' cannot be read: {error}") from error
    inputs = {name[3:]: array for name, array in arrays.items() if name.startswith("in.")}
    outputs = {name[4:]: array for name, array in arrays.items() if name.startswith("out.")}
    for what, found, declared in (
        ("inputs", inputs, signature.inputs),
        ("outputs", outputs, signature.outputs),
    ):
        if found.keys() != (names := {tensor.name for tensor in declared}):
            raise BundleError(
                f"golden request '{path.name}' has the {what} {sorted(found)}, expected {sorted(names)}"
            )
    return inputs, outputs


def _check(tensor: Tensor, example: Arrays) -> None:
    array = example[tensor.name]
    fixed = all(
        isinstance(axis, str) or axis == size for axis, size in zip(tensor.shape, array.shape, strict=False)
    )
    if (
        array.dtype != np.dtype(tensor.dtype)
        or array.ndim != len(tensor.shape)
        or not fixed
        or not array.size
    ):
        raise RecipeError(
            f"the example of input '{tensor.name}' is {array.dtype}{list(array.shape)}, "
            f"declared is {tensor.dtype}{list(tensor.shape)}"
        )

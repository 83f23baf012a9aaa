"""Rows to ask a model, with the right answers where they are known: golden requests, examples, drawn numbers.

Knows the manifest's outline, `.npz` files and tensors; knows nothing of wires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.traffic.catalogue import BATCH, Model
from loadtests.traffic.checks import Array

Arrays = Mapping[str, Array]
DRAWN_ROWS = 8
TOLERANCE = 1e-3
"""How far an answer may be from the first one, where none was recorded."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs of a signature, and the outputs that are right; None where the first answer counts."""

    inputs: Arrays
    outputs: Arrays | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a version's files add to what the gateway says: its task, and golden requests by signature."""

    task: Mapping[str, Any] = field(default_factory=dict)
    golden: Mapping[str, Sample] = field(default_factory=dict)


def read_bundle(models: Path, model: Model) -> Bundle:
    """Return what lies on disk for the version that answers; nothing if it is not at hand.

    Raises OSError or ValueError if there is a manifest but not what it promises.
    """
    directory = models / model.name / str(model.version)
    if not (directory / "manifest.json").is_file():
        return Bundle()
    manifest = json.loads((directory / "manifest.json").read_bytes())
    golden = {each["signature"]: _recorded(directory / each["file"], each) for each in manifest["golden"]}
    return Bundle(manifest["task"], golden)


def _recorded(path: Path, entry: Mapping[str, Any]) -> Sample:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    inputs, outputs = (
        {name.removeprefix(side): array for name, array in arrays.items() if name.startswith(side)}
        for side in ("in.", "out.")
    )
    return Sample(inputs, outputs, float(entry["tolerance"]))


def drawn(model: Model, seed: int = 0) -> Sample | None:
    """Return rows of random numbers; None for a model that takes anything but numbers of the user's."""
    if not all(tensor.kind == "values" and tensor.dtype != "string" for tensor in model.inputs):
        return None
    random = np.random.default_rng(seed)
    inputs = {}
    for tensor in model.inputs:
        sizes = [axis if isinstance(axis, int) else _size(axis) for axis in tensor.shape]
        dtype = np.dtype(tensor.dtype)
        numbers = random.random(sizes) if dtype.kind == "f" else random.integers(0, 2, sizes)
        inputs[tensor.name] = numbers.astype(dtype)
    return Sample(inputs)


def _size(axis: str) -> int:
    return DRAWN_ROWS if axis == BATCH else 4


def rows(sample: Sample) -> list[Sample]:
    """Return each row of a sample as one of its own."""
    count = len(next(iter(sample.inputs.values())))
    return [
        Sample(
            _row(sample.inputs, number),
            None if sample.outputs is None else _row(sample.outputs, number),
            sample.tolerance,
        )
        for number in range(count)
    ]


def _row(arrays: Arrays, number: int) -> Arrays:
    """Return one row of each array; one without rows, such as a threshold, stays whole."""
    return {
        name: np.ascontiguousarray(array[number : number + 1]) if array.ndim else array
        for name, array in arrays.items()
    }


def texts(document: Mapping[str, list[str]], model: Model) -> list[str]:
    """Return the texts that are meant for a model: those under its name, else those under its word."""
    return document.get(model.name, document.get(model.word, []))

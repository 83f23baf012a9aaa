"""Write a model in each format that a training can go on from, read it back, and tell what was kept.

Knows Keras' files and SavedModels, nothing of jobs or bundles.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

ROUNDS = 3
"""How often each is read: the first time is slower for all, so the least counts."""
Build = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a format keeps of a model, and what it takes to read it besides the file.

    `problem` says why it is not written or not read; the rest is then False.
    """

    name: str
    path: Path
    needs: str
    architecture: bool = False
    weights: bool = False
    optimizer: bool = False
    size_bytes: int = 0
    load_s: float = 0.0
    problem: str | None = None


def compare(model: Any, build: Build, directory: Path) -> list[Kept]:
    """Return what each format keeps of a compiled `model` whose files are written into `directory`.

    `build` makes an untrained model of the same shape, as one must to read weights alone.
    """
    return [
        _tried(_keras, model, build, directory / "model.keras", "own layers"),
        _tried(_weights, model, build, directory / "model.weights.h5", "job, settings"),
        _tried(_saved_model, model, build, directory / "saved_model", "TensorFlow"),
    ]


@dataclass(frozen=True, slots=True)
class _Read:
    """What reading gave back: `values` in the order of `expected`."""

    architecture: bool
    values: Sequence[Any]
    expected: Sequence[Any]
    optimizer: bool
    load_s: float


def _tried(
    format_: Callable[[Any, Build, Path], _Read], model: Any, build: Build, path: Path, needs: str
) -> Kept:
    if not isinstance(model, keras.Model) and format_ is not _weights:
        return Kept(path.name, path, needs, problem="the model is not one of Keras")
    try:
        read = format_(model, build, path)
    except Exception as error:  # noqa: BLE001  # whatever a model has that a format cannot hold
        return Kept(path.name, path, needs, problem=str(error).strip().splitlines()[0][:100])
    equal = len(read.values) == len(read.expected) and all(
        np.array_equal(one, other) for one, other in zip(read.values, read.expected, strict=True)
    )
    return Kept(path.name, path, needs, read.architecture, equal, read.optimizer, _size(path), read.load_s)


def _keras(model: Any, build: Build, path: Path) -> _Read:  # noqa: ARG001  # the others need it
    # Without its loss: that may be a function of the job's own, which no file holds and the job knows.
    model.compile(model.optimizer)
    model.save(path)
    own = {type(layer).__name__: type(layer) for layer in _layers(model)}
    loaded, seconds = _timed(lambda: keras.saving.load_model(path, custom_objects=own, compile=False))
    with zipfile.ZipFile(path) as archive:
        optimizer = _keeps_optimizer(model, archive.read("model.weights.h5"))
    return _Read(True, loaded.get_weights(), model.get_weights(), optimizer, seconds)


def _layers(model: Any) -> list[Any]:
    """Return the layers of a model and of the models in it."""
    own = list(getattr(model, "layers", ()))
    return [model, *own, *(inner for layer in own if hasattr(layer, "layers") for inner in _layers(layer))]


def _weights(model: Any, build: Build, path: Path) -> _Read:
    def read() -> Any:
        fresh = build()
        fresh.load_weights(path)
        return fresh

    model.save_weights(path)
    loaded, seconds = _timed(read)
    if not isinstance(model, keras.Model):
        expected = list(model.weights.values())
        kept = bool(loaded.optimizer.velocities.keys() == model.weights.keys())
        return _Read(False, [loaded.weights[name] for name in model.weights], expected, kept, seconds)
    optimizer = _keeps_optimizer(model, path.read_bytes())
    return _Read(False, loaded.get_weights(), model.get_weights(), optimizer, seconds)


def _saved_model(model: Any, build: Build, path: Path) -> _Read:  # noqa: ARG001
    model.export(path, format="tf_saved_model", verbose=False)
    loaded, seconds = _timed(lambda: tf.saved_model.load(str(path)))
    kept = [variable.numpy() for variable in loaded.variables]
    expected = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    return _Read(True, kept, expected, False, seconds)  # the graph alone: an optimizer is never part of it


def _keeps_optimizer(model: Any, file: bytes) -> bool:
    """Whether all variables of the optimizer are in an HDF5 file of Keras, with their values."""
    with h5py.File(io.BytesIO(file)) as opened:
        stored = opened.get("optimizer/vars", {})
        variables = model.optimizer.variables
        return len(stored) == len(variables) and all(
            np.array_equal(stored[str(place)][()], keras.ops.convert_to_numpy(variable))
            for place, variable in enumerate(variables)
        )


def _timed(read: Callable[[], Any]) -> tuple[Any, float]:
    least = float("inf")
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        loaded = read()
        least = min(least, time.perf_counter() - began_s)
    return loaded, least


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())

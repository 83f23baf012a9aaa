"""Which digit a picture shows: a network of dense layers written in NumPy alone, 784-128-64-10.

    python -m training digits-scratch                    scikit-learn's digits, some seconds on 2 cores
    python -m training digits-scratch --data mnist       MNIST, fetched by Keras
    python -m training digits-scratch --data FOLDER      one subfolder of images for each class

Forward, back-propagation and the optimizer are `numpy_network` and `numpy_layers`: nothing here is differentiated by
a framework. Expected accuracy, held out: 0.97 (quick). Knows nothing of the other jobs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt

from training import atomic, plots
from training.classify import evaluation, pictures
from training.classify.numpy_layers import cross_entropy
from training.classify.numpy_network import Network
from training.classify.pictures import SIDE, Pictures
from training.epochs import train_epochs
from training.job import Expectation, Job, Loop, Profile, Settings


class ScratchSettings(Settings):
    """Settings of `digits-scratch`; `hidden` are the widths between pixels and labels, `shift` is by how many pixels a
    training picture is moved at most.
    """

    epochs: PositiveInt = 60
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    hidden: tuple[PositiveInt, ...] = (128, 64)
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Annotated[int, Field(ge=0, le=7)] = 2


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 300, "hidden": (256, 128)},
    "smoke": {"epochs": 2, "hidden": (16, 8)},
}


def load(settings: ScratchSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: ScratchSettings, data: Pictures, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the labels and some held-out pictures."""
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(directory / "examples.npz", {"image": data.held_out.pixels[:64]})


def build(settings: ScratchSettings, assets: Path) -> Network:
    """Make the network: pixels [batch, 784] to a logit for each label."""
    labels = json.loads((assets / "labels.json").read_text(encoding="utf-8"))
    widths = (SIDE * SIDE, *settings.hidden, len(labels))
    return Network(widths, dropout_rate=settings.dropout, seed=settings.seed)


def fit(model: Network, settings: ScratchSettings, data: Pictures, loop: Loop) -> None:
    """Train by mini-batches drawn anew for each epoch, each picture moved a little; the rate falls along a cosine."""
    optimizer, classes = model.optimizer, data.train.classes
    optimizer.momentum = settings.momentum
    seen = _flat(data.validation.pixels)

    def train(epoch: int) -> Iterator[dict[str, float]]:
        # Of this epoch alone, so that a continued training draws what an undisturbed one would.
        generator = np.random.default_rng((settings.seed, epoch))
        optimizer.learning_rate = settings.learning_rate * (1 + np.cos(np.pi * epoch / settings.epochs)) / 2
        for rows in _batches(generator.permutation(len(classes)), settings.batch_size):
            moved = _flat(move(data.train.pixels[rows], settings.shift, generator))
            loss, accuracy, gradients = model.gradients(moved, classes[rows], generator)
            optimizer.apply(model.weights, gradients)
            yield {"loss": loss, "accuracy": accuracy}

    def validate() -> dict[str, float]:
        logits = model.logits(seen)
        hits = logits.argmax(axis=1) == data.validation.classes
        loss, _ = cross_entropy(logits, data.validation.classes)
        return {"val_loss": loss, "val_accuracy": float(hits.mean())}

    steps = -(-len(classes) // settings.batch_size)
    train_epochs(model, settings, loop, steps=steps, train=train, validate=validate)


def evaluate(
    model: Network,
    settings: ScratchSettings,  # noqa: ARG001  # see Job
    data: Pictures,
    directory: Path,
) -> dict[str, float]:
    """Measure accuracy and loss on held-out pictures; draw mistakes and what the first layer sees."""
    first = model.weights["weights_0"].T.reshape(-1, SIDE, SIDE)
    plots.tiles(first[:64], directory / "first-layer.png", "Weights of the first layer")
    probabilities = model.probabilities(_flat(data.held_out.pixels))
    return evaluation.report(
        probabilities, data.held_out.classes, data.labels, directory, data.held_out.pixels
    )


def move(pixels: pictures.Pixels, shift: int, generator: np.random.Generator) -> pictures.Pixels:
    """Return the pictures [batch, 28, 28, 1], each moved by at most `shift` pixels; what comes in is background."""
    padded = np.pad(pixels, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    places = generator.integers(0, 2 * shift + 1, (len(pixels), 2))
    return np.stack(
        [
            each[down : down + SIDE, right : right + SIDE]
            for each, (down, right) in zip(padded, places, strict=True)
        ]
    )


def _flat(pixels: pictures.Pixels) -> pictures.Pixels:
    return pixels.reshape(len(pixels), -1)


def _batches(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    yield from (order[start : start + size] for start in range(0, len(order), size))


JOB = Job(
    name="digits-scratch",
    word="classify",
    settings=ScratchSettings,
    profiles=PROFILES,
    expected=(Expectation("accuracy", at_least=0.97),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

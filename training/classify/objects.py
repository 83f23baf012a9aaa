"""Coloured pictures of objects with their classes, from three sources, split in three parts.

Knows drawn objects, CIFAR-10 and folders of images; nothing of models. Pixels are floats from 0 to 1 in arrays
[pictures, side, side, 3].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from training.classify import folder, pictures, shapes
from training.classify.folder import Form
from training.classify.pictures import Bytes, Fetch, Fetched, Part, Pictures, Pixels
from training.classify.shapes import Piece
from training.job import Settings

DRAWING_SEED = 20  # fixed, so that runs with different seeds are measured on the same held-out pictures
CIFAR_LABELS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


class PictureSettings(Settings):
    """Settings of jobs about pictures in colour: `pictures` are drawn to train on, an eighth and a quarter more for
    validation and to be held out; with `resize` a folder may have images of several sizes.
    """

    pictures: Annotated[int, Field(ge=80)] = 4000
    resize: bool = False


def read(settings: PictureSettings, side: int) -> Pictures:
    """Draw objects (no `data`), or read `cifar10` or a folder by its path; raises DataError."""
    if settings.data is None:
        return draw(shapes.OBJECTS, settings.pictures, side)
    if settings.data == "cifar10":
        return read_cifar(side)
    path = Path(settings.data)
    found = folder.read(path, Form(side, colour=True, mixed=settings.resize))
    return pictures.split(*found, f"images of folder {path.name}")


def draw(kinds: Mapping[str, tuple[Piece, ...]], count: int, side: int) -> Pictures:
    """Draw `count` pictures to train on, and an eighth and a quarter as many for validation and to be held out."""
    generator = np.random.default_rng(DRAWING_SEED)

    def part(size: int) -> Part:
        classes = generator.permutation(np.arange(size, dtype=np.int32) % len(kinds)).astype(np.int32)
        return Part(shapes.pictures(list(kinds.values()), classes, side, generator), classes)

    return Pictures(
        train=part(count),
        validation=part(count // 8),
        held_out=part(count // 4),
        labels=tuple(kinds),
        source=f"drawn objects, {side}x{side}",
    )


def read_cifar(side: int, fetch: Fetch | None = None) -> Pictures:
    """Read CIFAR-10 with `fetch`, which is Keras' (its cache or the network); its own test part is held out."""
    (known, known_classes), (test, test_classes) = pictures.fetched("cifar10", fetch or fetch_cifar)
    form = Form(side, colour=True)

    def fitted(pixels: Bytes) -> Pixels:
        # Row by row into one array: a list of 50,000 beside it would take as much again.
        fit = np.empty((len(pixels), side, side, 3), np.float32)
        for place, each in enumerate(pixels):
            fit[place] = form.fit(Image.fromarray(each))
        return fit

    return pictures.with_validation(
        Part(fitted(known), known_classes.reshape(-1).astype(np.int32)),
        Part(fitted(test), test_classes.reshape(-1).astype(np.int32)),
        CIFAR_LABELS,
        "CIFAR-10",
    )


def fetch_cifar() -> Fetched:
    """Return CIFAR-10 as Keras has it: training and test part, pixels [count, 32, 32, 3] from 0 to 255."""
    import keras  # noqa: PLC0415  # the other sources do without

    found: Fetched = keras.datasets.cifar10.load_data()
    return found

"""Grey 28x28 pictures with their classes, from three sources, split in three parts.

Knows scikit-learn's digits, MNIST and folders of images; nothing of models. Pixels are floats from 0
(background) to 1 in arrays [pictures, 28, 28, 1].
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from training.errors import DataError
from training.job import Summary

SIDE = 28
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out pictures

Pixels = NDArray[np.float32]
Classes = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Mnist = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures [count, 28, 28, 1] and the index of each one's label [count]."""

    pixels: Pixels
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Three parts that share no picture, and what the classes are called."""

    train: Part
    validation: Part
    held_out: Part
    labels: tuple[str, ...]
    source: str

    @property
    def summary(self) -> Summary:
        """Where the pictures come from, and how many there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation), "held_out": len(self.held_out)}
        return Summary(self.source, sizes)


def read(name: str | None) -> Pictures:
    """Read scikit-learn's digits (None), `mnist`, or a folder by its path; raises DataError."""
    if name is None:
        return read_digits()
    return read_mnist() if name == "mnist" else read_folder(Path(name))


def read_digits() -> Pictures:
    """Read the 1797 handwritten digits of scikit-learn, 8x8 with 17 shades, and enlarge them."""
    digits = load_digits()
    pixels = np.stack([_fit(Image.fromarray(np.uint8(image * 255 / 16))) for image in digits.images])
    labels = tuple(str(name) for name in digits.target_names)
    return _split(pixels, digits.target.astype(np.int32), labels, "scikit-learn digits, enlarged to 28x28")


def read_mnist(fetch: Callable[[], Mnist] | None = None) -> Pictures:
    """Read MNIST with `fetch`, which is Keras' (its cache or the network); its own test part is held out.

    A twelfth of the training part is kept for validation. Raises DataError if it cannot be fetched.
    """
    try:
        with redirect_stdout(io.StringIO()):  # Keras draws a bar of its own
            (known, known_classes), (test, test_classes) = (fetch or fetch_mnist)()
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise DataError(f"mnist cannot be fetched: {error}; try again when the network is there") from error
    train, seen = train_test_split(
        np.arange(len(known)), test_size=1 / 12, random_state=SPLIT_SEED, stratify=known_classes
    )
    return Pictures(
        train=_part_of(known[train], known_classes[train]),
        validation=_part_of(known[seen], known_classes[seen]),
        held_out=_part_of(test, test_classes),
        labels=tuple("0123456789"),
        source="MNIST",
    )


def fetch_mnist() -> Mnist:
    """Return MNIST as Keras has it: training and test part, pixels [count, 28, 28] from 0 to 255."""
    import keras  # noqa: PLC0415  # the other sources do without

    mnist: Mnist = keras.datasets.mnist.load_data()
    return mnist


def _part_of(pixels: Bytes, classes: Bytes) -> Part:
    return Part((pixels[..., None] / 255).astype(np.float32), classes.astype(np.int32))


def read_folder(folder: Path) -> Pictures:
    """Read a folder whose subfolders are the classes; a fifth of the images is held out.

    Images of any size and colour become 28x28 grey. Digits should be bright on dark, as in MNIST.
    Raises DataError for a folder without two classes of at least 10 images, or an unreadable image.
    """
    if not folder.is_dir():
        raise DataError(f"--data {folder}: no such folder; expected one subfolder of images for each class")
    files = {
        path.name: sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    if len(files) < 2:
        raise DataError(
            f"--data {folder}: found {len(files)} subfolders, expected one for each of >= 2 classes"
        )
    for label, images in files.items():
        if len(images) < 10:
            raise DataError(
                f"--data {folder}: class '{label}' has {len(images)} images, expected at least 10"
            )
    pixels = np.stack([_read_image(file) for images in files.values() for file in images])
    classes = np.repeat(np.arange(len(files), dtype=np.int32), [len(images) for images in files.values()])
    return _split(pixels, classes, tuple(files), f"images of folder {folder.name}")


def _read_image(path: Path) -> Pixels:
    try:
        with Image.open(path) as image:
            return _fit(image.convert("L"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"image {path.parent.name}/{path.name} cannot be read: {error}") from error


def _fit(image: Image.Image) -> Pixels:
    resized = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return (np.asarray(resized, dtype=np.float32) / np.float32(255))[..., None]


def _split(pixels: Pixels, classes: Classes, labels: tuple[str, ...], source: str) -> Pictures:
    """Hold out a fifth, keep a tenth of the rest for validation; every class is in every part."""
    rows = np.arange(len(classes))
    rest, held_out = train_test_split(rows, test_size=0.2, random_state=SPLIT_SEED, stratify=classes)
    train, seen = train_test_split(rest, test_size=0.1, random_state=SPLIT_SEED, stratify=classes[rest])
    train_part, validation, test = (Part(pixels[part], classes[part]) for part in (train, seen, held_out))
    return Pictures(train_part, validation, test, labels, source)

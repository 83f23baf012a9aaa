"""Pictures with their classes in three parts, and grey 28x28 ones of digits from three sources.

Knows scikit-learn's digits, MNIST and folders of images; nothing of models. Pixels are floats from 0 to 1 (of
digits: 0 is the background) in arrays [pictures, side, side, channels].
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from training.classify import folder
from training.classify.folder import Form
from training.errors import DataError
from training.job import Summary

SIDE = 28
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out pictures

GREY = Form(SIDE, colour=False)

Pixels = folder.Pixels
Classes = folder.Classes
Bytes = NDArray[np.uint8]
Fetched = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]
Fetch = Callable[[], Fetched]


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures [count, side, side, channels] and the index of each one's label [count]."""

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
    pixels = np.stack([GREY.fit(Image.fromarray(np.uint8(image * 255 / 16))) for image in digits.images])
    labels = tuple(str(name) for name in digits.target_names)
    return split(pixels, digits.target.astype(np.int32), labels, "scikit-learn digits, enlarged to 28x28")


def read_mnist(fetch: Fetch | None = None) -> Pictures:
    """Read MNIST with `fetch`, which is Keras' (its cache or the network); its own test part is held out.

    Raises DataError if it cannot be fetched.
    """
    (known, known_classes), (test, test_classes) = fetched("mnist", fetch or fetch_mnist)
    return with_validation(
        _part_of(known, known_classes), _part_of(test, test_classes), tuple("0123456789"), "MNIST"
    )


def fetch_mnist() -> Fetched:
    """Return MNIST as Keras has it: training and test part, pixels [count, 28, 28] from 0 to 255."""
    import keras  # noqa: PLC0415  # the other sources do without

    mnist: Fetched = keras.datasets.mnist.load_data()
    return mnist


def fetched(name: str, fetch: Fetch) -> Fetched:
    """Return what `fetch` does; raises DataError if the set `name` cannot be fetched."""
    try:
        with redirect_stdout(io.StringIO()):  # Keras draws a bar of its own
            return fetch()
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise DataError(f"{name} cannot be fetched: {error}; try again when the network is there") from error


def _part_of(pixels: Bytes, classes: Bytes) -> Part:
    return Part((pixels[..., None] / 255).astype(np.float32), classes.astype(np.int32))


def read_folder(path: Path) -> Pictures:
    """Read a folder whose subfolders are the classes; a fifth of the images is held out.

    Images of any size and colour become 28x28 grey. Digits should be bright on dark, as in MNIST.
    Raises DataError for a folder without two classes of at least 10 images, or an unreadable image.
    """
    return split(*folder.read(path, GREY), f"images of folder {path.name}")


def with_validation(known: Part, held_out: Part, labels: tuple[str, ...], source: str) -> Pictures:
    """Keep a twelfth of the `known` pictures for validation."""
    train, seen = train_test_split(
        np.arange(len(known)), test_size=1 / 12, random_state=SPLIT_SEED, stratify=known.classes
    )
    first, second = (Part(known.pixels[rows], known.classes[rows]) for rows in (train, seen))
    return Pictures(first, second, held_out, labels, source)


def split(pixels: Pixels, classes: Classes, labels: tuple[str, ...], source: str) -> Pictures:
    """Hold out a fifth, keep a tenth of the rest for validation; every class is in every part."""
    rows = np.arange(len(classes))
    rest, held_out = train_test_split(rows, test_size=0.2, random_state=SPLIT_SEED, stratify=classes)
    few = max(-(-len(rest) // 10), len(labels))  # a tenth of few pictures might leave out a class
    train, seen = train_test_split(rest, test_size=few, random_state=SPLIT_SEED, stratify=classes[rest])
    train_part, validation, test = (Part(pixels[part], classes[part]) for part in (train, seen, held_out))
    return Pictures(train_part, validation, test, labels, source)

"""Read a folder of images whose subfolders are the classes.

Knows files and pixels, nothing of models. Every mistake is a DataError that names the folder, class or image.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from training.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
LEAST = 10  # images of a class, so that each part of a split has some

Pixels = NDArray[np.float32]
Classes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Form:
    """What an image becomes: `side` pixels square, in colour (RGB) or grey; images of several sizes if `mixed`."""

    side: int
    colour: bool
    mixed: bool = True

    def fit(self, image: Image.Image) -> Pixels:
        """Return the image as [side, side, 3 or 1] from 0 to 1; its proportions are not kept."""
        shown = image.convert("RGB" if self.colour else "L")
        resized = np.asarray(shown.resize((self.side, self.side), Image.Resampling.BILINEAR), np.float32)
        return resized.reshape(self.side, self.side, -1) / np.float32(255)


def read(folder: Path, form: Form) -> tuple[Pixels, Classes, tuple[str, ...]]:
    """Return the pixels [images, side, side, channels], the class of each image, and what the classes are called.

    Raises DataError for a folder without two classes of at least 10 images, an unreadable image, or images of
    several sizes where the form does not take them.
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
        if len(images) < LEAST:
            raise DataError(
                f"--data {folder}: class '{label}' has {len(images)} images, expected at least {LEAST}"
            )
    pixels = read_images([file for images in files.values() for file in images], form)
    classes = np.repeat(np.arange(len(files), dtype=np.int32), [len(images) for images in files.values()])
    return pixels, classes, tuple(files)


def read_images(paths: list[Path], form: Form) -> Pixels:
    """Return the images [count, side, side, channels]; raises DataError for the first that cannot be used."""
    pixels = np.empty((len(paths), form.side, form.side, 3 if form.colour else 1), np.float32)
    first: tuple[int, int] | None = None
    for place, path in enumerate(paths):
        pixels[place], size = _read_image(path, form)
        first = first or size
        if size != first and not form.mixed:
            raise DataError(
                f"image {_name(path)} has {size[0]}x{size[1]} pixels, {_name(paths[0])} has {first[0]}x{first[1]}; "
                "expected one size, or --set resize=true"
            )
    return pixels


def _read_image(path: Path, form: Form) -> tuple[Pixels, tuple[int, int]]:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return form.fit(image), image.size
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,  # what Pillow raises for some broken PNGs
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise DataError(f"image {_name(path)} cannot be read: {error}") from error


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"

"""Items that a picture and some numbers describe, each with a label and a score, split in three parts.

Knows drawn items and folders with a table; nothing of models. Pixels are floats from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training import csv_file
from training.classify import folder, shapes
from training.classify.folder import Form
from training.errors import DataError
from training.job import Summary

TABLE = "rows.csv"
IMAGE, LABEL, SCORE = "image", "label", "score"
FEWEST = 10
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out items
DRAWING_SEED = 21

LABELS = ("discount", "keep", "withdraw")
KINDS = {"boat": -1.5, "cup": -0.5, "fish": 0.5, "star": 1.5}
"""What is drawn, and by how much each kind moves the decision: more than most of the numbers do together."""
NUMBERS = {
    "rating": (3.5, 0.8), "returns": (12.0, 5.0), "age_days": (90.0, 40.0), "price": (20.0, 6.0), "weight_g": (350.0, 90.0),
    "stock": (140.0, 60.0), "shelf": (30.0, 12.0), "humidity": (45.0, 10.0), "temperature": (19.0, 3.0), "views": (800.0, 300.0),
}  # fmt: skip
"""The ten numbers, each with its mean and deviation; those after `weight_g` mean nothing."""


@dataclass(frozen=True, slots=True)
class Items:
    """Pictures [count, side, side, 3], numbers [count, features], the index of each label and the score [count]."""

    pixels: NDArray[np.float32]
    numbers: NDArray[np.float32]
    classes: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: NDArray[np.integer]) -> Items:
        """Return some of the items."""
        return Items(self.pixels[rows], self.numbers[rows], self.classes[rows], self.scores[rows])


@dataclass(frozen=True, slots=True)
class Collection:
    """Three parts that share no item, and what numbers and labels are called."""

    train: Items
    validation: Items
    held_out: Items
    features: tuple[str, ...]
    labels: tuple[str, ...]
    source: str

    @property
    def summary(self) -> Summary:
        """Where the items come from, and how many there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation), "held_out": len(self.held_out)}
        return Summary(self.source, sizes)


def draw(count: int, side: int) -> Collection:
    """Draw `count` items of a shop: what is pictured and its numbers decide together.

    The decision is by rating - returns - age/2 (in deviations) against a bar that each kind has for itself: above it
    `keep`, far below `withdraw`, else `discount`. The score, what an item is worth, grows with its size in the picture,
    with its price, and with its weight by what kind it is.
    """
    generator = np.random.default_rng(DRAWING_SEED)
    kinds, bars = [shapes.OBJECTS[name] for name in KINDS], np.array(list(KINDS.values()))
    chosen = generator.integers(len(kinds), size=count)
    sizes = generator.uniform(shapes.SMALLEST, shapes.LARGEST, count)
    scaled = generator.standard_normal((count, len(NUMBERS)))
    pixels = np.stack(
        [shapes.picture(kinds[kind], side, generator, size) for kind, size in zip(chosen, sizes, strict=True)]
    )
    margin = scaled[:, 0] - scaled[:, 1] - scaled[:, 2] / 2 - bars[chosen]
    classes = np.select([margin > 0.5, margin > -1.0], [LABELS.index("keep"), LABELS.index("discount")], 2)
    worth = 40 * (sizes - shapes.SMALLEST) + 4 * scaled[:, 3] + 2 * bars[chosen] * scaled[:, 4] + 20
    means, deviations = np.array(list(NUMBERS.values())).T
    items = Items(
        pixels,
        (scaled * deviations + means).astype(np.float32),
        classes.astype(np.int32),
        worth.astype(np.float32),
    )
    return split(items, tuple(NUMBERS), LABELS, f"drawn items of a shop, {side}x{side}")


def read(path: Path, form: Form) -> Collection:
    """Read a folder with images and `rows.csv`: columns `image` (a file of the folder), `label`, `score` and numbers.

    Raises DataError that names the row and the column, or the image.
    """
    if not path.is_dir():
        raise DataError(f"--data {path}: no such folder; expected images and {TABLE}")
    table = path / TABLE
    header, lines = csv_file.read_lines(table)
    features = tuple(name for name in header if name not in {IMAGE, LABEL, SCORE})
    if not features or not {IMAGE, LABEL, SCORE} <= set(header):
        raise DataError(
            f"--data {table}: expected columns '{IMAGE}', '{LABEL}', '{SCORE}' and numbers, found {', '.join(header)}"
        )

    def column(name: str) -> list[str]:
        return [line[header.index(name)].strip() for line in lines]

    def numbers(name: str) -> list[float]:
        place = header.index(name)
        return [csv_file.number(line, place, header, table, row) for row, line in enumerate(lines, start=1)]

    names = column(LABEL)
    labels = tuple(sorted(set(names)))
    _refuse_too_few(names, labels, table)
    items = Items(
        folder.read_images([path / file for file in column(IMAGE)], form),
        np.array([numbers(name) for name in features], np.float32).T,
        np.array([labels.index(name) for name in names], np.int32),
        np.array(numbers(SCORE), np.float32),
    )
    return split(items, features, labels, f"items of folder {path.name}")


def _refuse_too_few(names: Sequence[str], labels: Sequence[str], table: Path) -> None:
    if len(labels) < 2:
        raise DataError(
            f"--data {table}: expected at least 2 labels, found {len(labels)}: {', '.join(labels)}"
        )
    for label in labels:
        if names.count(label) < FEWEST:
            raise DataError(
                f"--data {table}: label '{label}' has {names.count(label)} rows, expected at least {FEWEST}"
            )


def split(items: Items, features: tuple[str, ...], labels: tuple[str, ...], source: str) -> Collection:
    """Hold out a fifth, keep an eighth of the rest for validation; every label is in every part."""
    order = np.arange(len(items))
    rest, held_out = train_test_split(order, test_size=0.2, random_state=SPLIT_SEED, stratify=items.classes)
    train, seen = train_test_split(
        rest, test_size=1 / 8, random_state=SPLIT_SEED, stratify=items.classes[rest]
    )
    return Collection(items.take(train), items.take(seen), items.take(held_out), features, labels, source)

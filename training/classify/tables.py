"""Rows of named numbers with a label each, from scikit-learn or a CSV file, split in three parts.

Knows nothing of models. A part has about the same share of each label as the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training import csv_file
from training.errors import DataError
from training.job import Summary

LABEL = "label"
FEWEST = 10
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out rows

Values = NDArray[np.float32]
Classes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows [count, features] and the index of each one's label [count]."""

    values: Values
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, slots=True)
class Table:
    """Three parts that share no row, what the features are called, and the labels."""

    features: tuple[str, ...]
    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    held_out: Rows
    source: str

    @property
    def summary(self) -> Summary:
        """Where the rows come from, and how many there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation), "held_out": len(self.held_out)}
        return Summary(self.source, sizes)


def of_set(found: Any, source: str) -> Table:
    """Split one of scikit-learn's data sets (`sklearn.utils.Bunch`)."""
    features = tuple(str(name) for name in found.feature_names)
    labels = tuple(str(name) for name in found.target_names)
    return split(features, labels, Rows(found.data.astype(np.float32), found.target.astype(np.int32)), source)


def read_csv(path: Path) -> Table:
    """Read a CSV file with a header: a column `label`, every other one a feature; raises DataError that names
    the row and the column.
    """
    header, lines = csv_file.read_lines(path)
    if LABEL not in header or len(header) < 2:
        raise DataError(f"--data {path}: expected a column '{LABEL}' and features, found {', '.join(header)}")
    column = header.index(LABEL)
    names = [line[column].strip() for line in lines]
    labels = tuple(sorted(set(names)))
    features = [i for i in range(len(header)) if i != column]
    values = [
        [csv_file.number(line, i, header, path, row) for i in features]
        for row, line in enumerate(lines, start=1)
    ]
    _refuse_too_few(names, labels, path)
    classes = np.array([labels.index(name) for name in names], np.int32)
    return split(
        tuple(header[i] for i in features),
        labels,
        Rows(np.array(values, np.float32), classes),
        f"rows of {path.name}",
    )


def _refuse_too_few(names: Sequence[str], labels: Sequence[str], path: Path) -> None:
    if len(labels) < 2:
        raise DataError(
            f"--data {path}: expected at least 2 labels, found {len(labels)}: {', '.join(labels)}"
        )
    for label in labels:
        if names.count(label) < FEWEST:
            raise DataError(
                f"--data {path}: label '{label}' has {names.count(label)} rows, expected at least {FEWEST}"
            )


def split(features: tuple[str, ...], labels: tuple[str, ...], rows: Rows, source: str) -> Table:
    """Hold out a fifth, keep an eighth of the rest for validation; every label is in every part."""
    order = np.arange(len(rows))
    rest, held_out = train_test_split(order, test_size=0.2, random_state=SPLIT_SEED, stratify=rows.classes)
    train, seen = train_test_split(
        rest, test_size=1 / 8, random_state=SPLIT_SEED, stratify=rows.classes[rest]
    )
    first, second, third = (Rows(rows.values[part], rows.classes[part]) for part in (train, seen, held_out))
    return Table(features, labels, first, second, third, source)

"""Rows of named numbers with a label each, from scikit-learn or a CSV file, split in three parts.

Knows nothing of models. A part has about the same share of each label as the whole.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training.errors import DataError
from training.job import Summary

LABEL = "label"
FEWEST = 10
LARGEST = float(np.finfo(np.float32).max)
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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"--data {path}: cannot be read: {reason}") from error
    if len(lines) < 2:
        raise DataError(f"--data {path}: expected a header and rows, found {len(lines)} lines")
    header = [name.strip() for name in lines[0]]
    column = _label_column(header, path)
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise DataError(f"--data {path}: row {number}: expected {len(header)} columns, found {len(line)}")
    names = [line[column].strip() for line in lines[1:]]
    labels = tuple(sorted(set(names)))
    values = [
        [_number(text, path, row, header[i]) for i, text in enumerate(line) if i != column]
        for row, line in enumerate(lines[1:], start=1)
    ]
    _refuse_too_few(names, labels, path)
    classes = np.array([labels.index(name) for name in names], np.int32)
    features = tuple(name for i, name in enumerate(header) if i != column)
    return split(features, labels, Rows(np.array(values, np.float32), classes), f"rows of {path.name}")


def _label_column(header: Sequence[str], path: Path) -> int:
    for name in header:
        if not name or header.count(name) > 1:
            raise DataError(f"--data {path}: column '{name}' of the header is empty or occurs twice")
    if LABEL not in header or len(header) < 2:
        raise DataError(f"--data {path}: expected a column '{LABEL}' and features, found {', '.join(header)}")
    return header.index(LABEL)


def _number(text: str, path: Path, row: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(
            f"--data {path}: row {row}, column '{column}': expected a number, found '{text}'"
        ) from error
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise DataError(
            f"--data {path}: row {row}, column '{column}': expected a finite number, found '{text}'"
        )
    return value


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

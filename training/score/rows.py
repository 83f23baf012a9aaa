"""Rows of named numbers, normal and anomalous, from scikit-learn or a CSV file, split in parts.

Knows nothing of models. Nothing anomalous is trained on: every anomalous row is held out.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from training.errors import DataError
from training.job import Summary

LABEL_COLUMNS = ("label", "diagnosis")
IGNORED_COLUMNS = ("id",)
ANOMALOUS = {
    "benign": False, "b": False, "normal": False, "0": False,
    "malignant": True, "m": True, "anomaly": True, "1": True,
}  # fmt: skip
FEWEST_NORMAL = 20
LARGEST = float(np.finfo(np.float32).max)
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out rows

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows [count, features], and which of them are anomalous [count]."""

    features: tuple[str, ...]
    values: Values
    anomalous: NDArray[np.bool_]
    source: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Normal rows to train on and to validate with; normal and anomalous ones that are held out."""

    features: tuple[str, ...]
    train: Values
    validation: Values
    held_out_normal: Values
    held_out_anomalous: Values
    source: str

    @property
    def summary(self) -> Summary:
        """Where the rows come from, and how many there are in each part."""
        sizes = {
            "train": len(self.train),
            "validation": len(self.validation),
            "held_out_normal": len(self.held_out_normal),
            "held_out_anomalous": len(self.held_out_anomalous),
        }
        return Summary(self.source, sizes)


def read(path: str | None) -> Rows:
    """Read scikit-learn's breast cancer set (None) or a CSV file, and split it; raises DataError."""
    return split(read_tumours() if path is None else read_csv(Path(path)))


def read_tumours() -> Table:
    """Read 569 tumours with 30 measurements each; malignant ones are the anomalous."""
    tumours = load_breast_cancer()
    names = tuple(str(name) for name in tumours.feature_names)
    return Table(names, tumours.data.astype(np.float32), tumours.target == 0, "scikit-learn breast cancer")


def read_csv(path: Path) -> Table:
    """Read a CSV file with a header: one column `label` or `diagnosis`, every other one a feature.

    A label is benign, B, normal or 0, or malignant, M, anomaly or 1, in any case; a column `id` is
    ignored. Raises DataError that names the row and the column.
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
    label = _label_column(header, path)
    features = [i for i, name in enumerate(header) if i != label and name.lower() not in IGNORED_COLUMNS]
    values = np.empty((len(lines) - 1, len(features)), dtype=np.float32)
    anomalous = np.empty(len(lines) - 1, dtype=np.bool_)
    for row, line in enumerate(lines[1:]):
        where = f"--data {path}: row {row + 1}"
        if len(line) != len(header):
            raise DataError(f"{where}: expected {len(header)} columns, found {len(line)}")
        values[row] = [_number(line[i], f"{where}, column '{header[i]}'") for i in features]
        anomalous[row] = _is_anomalous(line[label], f"{where}, column '{header[label]}'")
    return Table(tuple(header[i] for i in features), values, anomalous, f"rows of {path.name}")


def _label_column(header: Sequence[str], path: Path) -> int:
    for name in header:
        if not name or header.count(name) > 1:
            raise DataError(f"--data {path}: column '{name}' of the header is empty or occurs twice")
    found = [i for i, name in enumerate(header) if name.lower() in LABEL_COLUMNS]
    if len(found) != 1:
        wanted = " or ".join(LABEL_COLUMNS)
        raise DataError(f"--data {path}: expected one column called {wanted}, found {', '.join(header)}")
    if len(header) < 3:
        raise DataError(f"--data {path}: expected at least 2 features beside '{header[found[0]]}'")
    return found[0]


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{where}: expected a number, found '{text}'") from error
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise DataError(f"{where}: expected a finite number, found '{text}'")
    return value


def _is_anomalous(text: str, where: str) -> bool:
    known = ANOMALOUS.get(text.strip().lower())
    if known is None:
        raise DataError(f"{where}: expected benign, malignant, 0 or 1, found '{text}'")
    return known


def split(table: Table) -> Rows:
    """Hold out 30 % of the normal rows and all anomalous ones; keep 10 % of the rest for validation."""
    normal, anomalous = table.values[~table.anomalous], table.values[table.anomalous]
    if len(normal) < FEWEST_NORMAL or len(anomalous) < 1:
        raise DataError(
            f"{table.source}: expected at least {FEWEST_NORMAL} normal rows and 1 anomalous one, "
            f"found {len(normal)} and {len(anomalous)}"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(normal))
    held_out = round(0.3 * len(normal))
    seen = held_out + max(1, round(0.1 * (len(normal) - held_out)))
    return Rows(
        features=table.features,
        train=normal[order[seen:]],
        validation=normal[order[held_out:seen]],
        held_out_normal=normal[order[:held_out]],
        held_out_anomalous=anomalous,
        source=table.source,
    )

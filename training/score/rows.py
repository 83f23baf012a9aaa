"""Rows of named numbers, normal and anomalous, from scikit-learn or a CSV file, split in parts.

Knows nothing of models. Nothing anomalous is trained on: every anomalous row is held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from training import csv_file
from training.errors import DataError
from training.job import Summary

LABEL_COLUMNS = ("label", "diagnosis")
IGNORED_COLUMNS = ("id",)
ANOMALOUS = {
    "benign": False, "b": False, "normal": False, "0": False,
    "malignant": True, "m": True, "anomaly": True, "1": True,
}  # fmt: skip
FEWEST_NORMAL = 20
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
    header, lines = csv_file.read_lines(path)
    label = _label_column(header, path)
    features = [i for i, name in enumerate(header) if i != label and name.lower() not in IGNORED_COLUMNS]
    values = [
        [csv_file.number(line, i, header, path, row) for i in features]
        for row, line in enumerate(lines, start=1)
    ]
    anomalous = [
        _is_anomalous(line[label], f"--data {path}: row {row}, column '{header[label]}'")
        for row, line in enumerate(lines, start=1)
    ]
    names = tuple(header[i] for i in features)
    return Table(names, np.array(values, np.float32), np.array(anomalous, np.bool_), f"rows of {path.name}")


def _label_column(header: Sequence[str], path: Path) -> int:
    found = [i for i, name in enumerate(header) if name.lower() in LABEL_COLUMNS]
    if len(found) != 1:
        wanted = " or ".join(LABEL_COLUMNS)
        raise DataError(f"--data {path}: expected one column called {wanted}, found {', '.join(header)}")
    if len(header) < 3:
        raise DataError(f"--data {path}: expected at least 2 features beside '{header[found[0]]}'")
    return found[0]


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

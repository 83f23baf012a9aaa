"""Rows of named numbers, normal and anomalous, from scikit-learn or a CSV file, split in parts.

Knows nothing of models. Nothing anomalous is trained on. Rows with a time are a stream: the parts follow one another, so
that nothing held out comes before what was known, and labels may be missing.
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
TIME_COLUMNS = ("time", "timestamp")
IGNORED_COLUMNS = ("id", *TIME_COLUMNS)
ANOMALOUS = {
    "benign": False, "b": False, "normal": False, "0": False,
    "malignant": True, "m": True, "anomaly": True, "1": True,
}  # fmt: skip
FEWEST_NORMAL = 20
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out rows

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows [count, features], and which of them are anomalous [count], if that is known; `stream` if in order of time."""

    features: tuple[str, ...]
    values: Values
    anomalous: NDArray[np.bool_] | None
    source: str
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Normal rows to train on and to validate with, anomalous ones that are known besides, and rows that are held out.

    `anomalous` says which of the held-out ones are, if that is known. Those of a stream are in its order.
    """

    features: tuple[str, ...]
    train: Values
    validation: Values
    known_anomalous: Values
    held_out: Values
    anomalous: NDArray[np.bool_] | None
    source: str

    @property
    def summary(self) -> Summary:
        """Where the rows come from, and how many there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation)}
        if len(self.known_anomalous):
            sizes["known_anomalous"] = len(self.known_anomalous)
        if self.anomalous is None:
            return Summary(self.source, {**sizes, "held_out": len(self.held_out)})
        count = int(self.anomalous.sum())
        held_out = {"held_out_normal": len(self.held_out) - count, "held_out_anomalous": count}
        return Summary(self.source, {**sizes, **held_out})


def read(path: str | None, *, known: float = 0.0) -> Rows:
    """Read scikit-learn's breast cancer set (None) or a CSV file, and split it; raises DataError.

    A share `known` of the anomalous rows is not held out, but known beside the normal ones; of a stream it is those that
    come early enough.
    """
    table = read_tumours() if path is None else read_csv(Path(path))
    rows = split_stream(table) if table.stream else split(table, known)
    if known and not len(rows.known_anomalous):
        raise DataError(f"{table.source}: expected an anomalous row before the held-out ones, found none")
    return rows


def read_tumours() -> Table:
    """Read 569 tumours with 30 measurements each; malignant ones are the anomalous."""
    tumours = load_breast_cancer()
    names = tuple(str(name) for name in tumours.feature_names)
    return Table(names, tumours.data.astype(np.float32), tumours.target == 0, "scikit-learn breast cancer")


def read_csv(path: Path) -> Table:
    """Read a CSV file with a header: one column `label` or `diagnosis`, every other one a feature.

    A label is benign, B, normal or 0, or malignant, M, anomaly or 1, in any case; a column `id` is
    ignored. With a column `time` or `timestamp` the rows are a stream, the oldest first, and need no label. Raises
    DataError that names the row and the column.
    """
    header, lines = csv_file.read_lines(path)
    stream = any(name.lower() in TIME_COLUMNS for name in header)
    label = _label_column(header, path, needed=not stream)
    features = [i for i, name in enumerate(header) if i != label and name.lower() not in IGNORED_COLUMNS]
    if len(features) < 2:
        raise DataError(f"--data {path}: expected at least 2 features, found {len(features)}")
    values = [
        [csv_file.number(line, i, header, path, row) for i in features]
        for row, line in enumerate(lines, start=1)
    ]
    anomalous = None
    if label is not None:
        verdicts = [
            _is_anomalous(line[label], f"--data {path}: row {row}, column '{header[label]}'")
            for row, line in enumerate(lines, start=1)
        ]
        anomalous = np.array(verdicts, np.bool_)
    names = tuple(header[i] for i in features)
    return Table(names, np.array(values, np.float32), anomalous, f"rows of {path.name}", stream)


def _label_column(header: Sequence[str], path: Path, *, needed: bool) -> int | None:
    found = [i for i, name in enumerate(header) if name.lower() in LABEL_COLUMNS]
    if len(found) > 1 or (needed and not found):
        wanted = " or ".join(LABEL_COLUMNS)
        without = "" if found else " (without labels, a column called time)"
        raise DataError(
            f"--data {path}: expected one column called {wanted}{without}, found {', '.join(header)}"
        )
    return found[0] if found else None


def _is_anomalous(text: str, where: str) -> bool:
    known = ANOMALOUS.get(text.strip().lower())
    if known is None:
        raise DataError(f"{where}: expected benign, malignant, 0 or 1, found '{text}'")
    return known


def split(table: Table, known: float = 0.0) -> Rows:
    """Hold out 30 % of the normal rows and the anomalous ones but for a share `known`; keep 10 % of the rest for validation."""
    assert table.anomalous is not None, "only a stream may lack labels"
    normal, anomalous = np.flatnonzero(~table.anomalous), np.flatnonzero(table.anomalous)
    if len(normal) < FEWEST_NORMAL or len(anomalous) < 1:
        raise DataError(
            f"{table.source}: expected at least {FEWEST_NORMAL} normal rows and 1 anomalous one, "
            f"found {len(normal)} and {len(anomalous)}"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    order = rng.permutation(len(normal))
    held_out = round(0.3 * len(normal))
    seen = held_out + max(1, round(0.1 * (len(normal) - held_out)))
    told, untold = np.split(rng.permutation(anomalous), [int(known * len(anomalous))])
    # Mixed, as they might come.
    last = rng.permutation(np.concatenate([normal[order[:held_out]], untold]))
    return Rows(
        features=table.features,
        train=table.values[normal[order[seen:]]],
        validation=table.values[normal[order[held_out:seen]]],
        known_anomalous=table.values[told],
        held_out=table.values[last],
        anomalous=table.anomalous[last],
        source=table.source,
    )


def split_stream(table: Table) -> Rows:
    """Train on the normal ones of the first 60 % of a stream, validate with those of the next 10 %, hold out the rest.

    Without labels all rows count as normal.
    """
    anomalous = np.zeros(len(table.values), np.bool_) if table.anomalous is None else table.anomalous
    first, second = round(0.6 * len(anomalous)), round(0.7 * len(anomalous))
    train, validation = (
        table.values[:first][~anomalous[:first]],
        table.values[first:second][~anomalous[first:second]],
    )
    if len(train) < FEWEST_NORMAL or not len(validation):
        raise DataError(
            f"{table.source}: expected at least {FEWEST_NORMAL} normal rows in the first 60 % and 1 in the next 10 %, "
            f"found {len(train)} and {len(validation)}"
        )
    if table.anomalous is not None and len(set(anomalous[second:].tolist())) < 2:
        raise DataError(
            f"{table.source}: expected normal and anomalous rows in the last 30 %, found one kind alone"
        )
    return Rows(
        features=table.features,
        train=train,
        validation=validation,
        known_anomalous=table.values[:second][anomalous[:second]],
        held_out=table.values[second:],
        anomalous=None if table.anomalous is None else anomalous[second:],
        source=f"{table.source}, in order of time",
    )

"""Read a CSV file of the user's own: its header and its rows, and numbers in it.

Knows no column's meaning. Every mistake is a DataError that names the file, the row and the column; rows count from 1.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.errors import DataError

LARGEST = float(np.finfo(np.float32).max)


def read_lines(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the header and the rows below it, all as long; blank lines are none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"--data {path}: cannot be read: {reason}") from error
    if len(lines) < 2:
        raise DataError(f"--data {path}: expected a header and rows, found {len(lines)} lines")
    header = [name.strip() for name in lines[0]]
    for name in header:
        if not name or header.count(name) > 1:
            raise DataError(f"--data {path}: column '{name}' of the header is empty or occurs twice")
    for row, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise DataError(f"--data {path}: row {row}: expected {len(header)} columns, found {len(line)}")
    return header, lines[1:]


def number(line: Sequence[str], column: int, header: Sequence[str], path: Path, row: int) -> float:
    """Return what stands in a column, as a number that fits 32 bits."""
    text = line[column].strip()
    where = f"--data {path}: row {row}, column '{header[column]}'"
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{where}: expected a number, found '{text}'") from error
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise DataError(f"{where}: expected a finite number, found '{text}'")
    return value

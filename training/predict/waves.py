"""A series of numbers: two waves and noise made here, or a column of a CSV file, cut into windows.

Knows nothing of models. The parts follow one another in time, so that nothing held out has been seen.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import csv_file
from training.errors import DataError
from training.job import Summary

Series = NDArray[np.float32]

MADE = 4000
NOISE = 0.1
PERIODS = (25.0, 60.0)
COLUMN = "value"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows [count, length, 1], and the value that follows each [count, 1]."""

    past: Series
    following: Series

    def __len__(self) -> int:
        return len(self.past)


@dataclass(frozen=True, slots=True)
class Waves:
    """The windows of three parts of a series, the oldest first."""

    train: Windows
    validation: Windows
    held_out: Windows
    source: str

    @property
    def summary(self) -> Summary:
        """Where the series comes from, and how many windows there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation), "held_out": len(self.held_out)}
        return Summary(self.source, sizes)


def read(path: str | None, length: int) -> Waves:
    """Make a series (None) or read a column `value`, and cut windows of `length`; raises DataError."""
    if path is None:
        return split(make(), length, "two waves and noise")
    return split(read_column(Path(path)), length, f"column '{COLUMN}' of {Path(path).name}")


def make() -> Series:
    """Return the sum of two sines and normal noise of deviation 0.1, always the same."""
    time = np.arange(MADE)
    first, second = (np.sin(2 * np.pi * time / period) for period in PERIODS)
    noise = np.random.default_rng(0).normal(0, NOISE, MADE)
    made: Series = (first + 0.5 * second + noise).astype(np.float32)
    return made


def read_column(path: Path) -> Series:
    """Return the column `value` of a CSV file with a header; raises DataError that names the row."""
    header, lines = csv_file.read_lines(path)
    if COLUMN not in header:
        raise DataError(f"--data {path}: expected a column '{COLUMN}', found {', '.join(header)}")
    place = header.index(COLUMN)
    values = [csv_file.number(line, place, header, path, row) for row, line in enumerate(lines, start=1)]
    return np.array(values, np.float32)


def split(series: Series, length: int, source: str) -> Waves:
    """Cut the first 70 % into windows to train on, the next 10 % to validate with, the rest held out."""
    marks = (0, round(0.7 * len(series)), round(0.8 * len(series)), len(series))
    parts = [series[start:end] for start, end in pairwise(marks)]
    for part in parts:
        if len(part) <= length + 1:
            raise DataError(f"{source}: {len(series)} values are too few for windows of {length}")
    train, validation, held_out = (windows(part, length) for part in parts)
    return Waves(train, validation, held_out, source)


def windows(series: Series, length: int) -> Windows:
    """Return every window of a series and the value after it."""
    cut = np.lib.stride_tricks.sliding_window_view(series, length + 1)
    return Windows(np.ascontiguousarray(cut[:, :-1, None]), np.ascontiguousarray(cut[:, -1:]))

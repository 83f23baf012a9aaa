"""Texts with a label each: reviews made here, IMDB's, or a CSV file, split in three parts.

Knows nothing of tokens or models. No text is in two parts; of those made here, no sentence is.
"""

from __future__ import annotations

import io
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training import csv_file
from training.classify import opinions
from training.errors import DataError
from training.job import Summary

TEXT_COLUMNS = ("text", "review")
LABEL_COLUMNS = ("label", "sentiment")
MISSING = ("", "nan")
FEWEST = 10
MOST_HELD_OUT = 1000
SPLIT_SEED = 0  # fixed, so that runs with different seeds are measured on the same held-out texts
FETCH_S = 20.0
_IMDB_FIRST_WORD = 3  # ids below it are marks

Classes = NDArray[np.int32]
Imdb = tuple[tuple[Sequence[Sequence[int]], Any], tuple[Sequence[Sequence[int]], Any], dict[str, int]]
"""The training part and the test part, each rows of ids and classes; and the rank of each word."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts, and the index of each one's label [count]."""

    texts: tuple[str, ...]
    classes: Classes

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Reviews:
    """Three parts that share no text, and the labels."""

    labels: tuple[str, ...]
    train: Texts
    validation: Texts
    held_out: Texts
    source: str

    @property
    def summary(self) -> Summary:
        """Where the texts come from, and how many there are in each part."""
        sizes = {"train": len(self.train), "validation": len(self.validation), "held_out": len(self.held_out)}
        return Summary(self.source, sizes)


def read(name: str | None, made: int) -> Reviews:
    """Make reviews, `made` to train on (None), fetch `imdb`, or read a CSV file by its path; raises DataError."""
    if name is None:
        return make(made)
    return read_imdb() if name == "imdb" else read_csv(Path(name))


def make(count: int) -> Reviews:
    """Make reviews, always the same: `count` to train on, a tenth of it for validation, as many and 1000 at most held out."""
    sizes: tuple[tuple[opinions.Part, int], ...] = (
        ("train", count),
        ("validation", max(count // 10, 2)),
        ("held_out", min(count, MOST_HELD_OUT)),
    )
    train, validation, held_out = (_made(size, part, seed) for seed, (part, size) in enumerate(sizes))
    return Reviews(opinions.LABELS, train, validation, held_out, "reviews of our own making")


def _made(count: int, part: opinions.Part, seed: int) -> Texts:
    rng, found = random.Random(seed), dict[str, int]()
    while len(found) < count:
        verdict = len(found) % 2
        found.setdefault(opinions.review(rng, verdict, part), verdict)
    return Texts(tuple(found), np.array(list(found.values()), np.int32))


def read_csv(path: Path) -> Reviews:
    """Read a CSV file with a header and the columns `text` (or `review`) and `label` (or `sentiment`).

    Other columns are ignored, and so is a text that came before. Raises DataError that names the row.
    """
    header, lines = csv_file.read_lines(path)
    text, label = (_column(header, names, path) for names in (TEXT_COLUMNS, LABEL_COLUMNS))
    found = dict[str, str]()
    for row, line in enumerate(lines, start=1):
        for column in (text, label):
            if line[column].strip().lower() in MISSING:
                raise DataError(
                    f"--data {path}: row {row}, column '{header[column]}': expected a text, found nothing"
                )
        found.setdefault(line[text].strip(), line[label].strip())
    names = list(found.values())
    labels = tuple(sorted(set(names)))
    refuse_too_few(names, labels, f"--data {path}")
    classes = np.array([labels.index(name) for name in names], np.int32)
    return split(labels, Texts(tuple(found), classes), f"texts of {path.name}")


def _column(header: Sequence[str], names: Sequence[str], path: Path) -> int:
    found = [place for place, name in enumerate(header) if name.lower() in names]
    if len(found) != 1:
        wanted = " or ".join(f"'{name}'" for name in names)
        raise DataError(f"--data {path}: expected one column {wanted}, found {', '.join(header)}")
    return found[0]


def refuse_too_few(names: Sequence[str], labels: Sequence[str], source: str) -> None:
    """Raise DataError unless there are two labels, and enough texts of each to be in every part."""
    if len(labels) < 2:
        raise DataError(f"{source}: expected at least 2 labels, found {len(labels)}: {', '.join(labels)}")
    for label in labels:
        if names.count(label) < FEWEST:
            raise DataError(
                f"{source}: label '{label}' has {names.count(label)} texts, expected at least {FEWEST}"
            )


def split(labels: tuple[str, ...], texts: Texts, source: str) -> Reviews:
    """Hold out a fifth, keep an eighth of the rest for validation; every label is in every part."""
    rest, held_out = _halves(texts, 0.2)
    train, validation = _halves(rest, 1 / 8)
    return Reviews(labels, train, validation, held_out, source)


def _halves(texts: Texts, share: float) -> tuple[Texts, Texts]:
    order = train_test_split(
        np.arange(len(texts)), test_size=share, random_state=SPLIT_SEED, stratify=texts.classes
    )
    first, second = (
        Texts(tuple(texts.texts[place] for place in part), texts.classes[part]) for part in order
    )
    return first, second


def read_imdb(fetch: Callable[[], Imdb] | None = None) -> Reviews:
    """Read IMDB's reviews with `fetch`, which is Keras' (its cache or the network); its own test part is held out.

    Raises DataError if they cannot be fetched, or the network is silent for 20 s.
    """
    try:
        with redirect_stdout(io.StringIO()), _impatient():  # Keras draws a bar of its own
            known, test, ranks = (fetch or fetch_imdb)()
    except Exception as error:  # Keras raises a bare Exception when the download fails
        raise DataError(f"imdb cannot be fetched: {error}; try again when the network is there") from error
    words = {rank + _IMDB_FIRST_WORD: word for word, rank in ranks.items()}
    train, held_out = (
        Texts(tuple(_spelled(row, words) for row in rows), np.asarray(classes, np.int32))
        for rows, classes in (known, test)
    )
    train, validation = _halves(train, 1 / 10)
    return Reviews(opinions.LABELS, train, validation, held_out, "IMDB")


def _spelled(ids: Sequence[int], words: dict[int, str]) -> str:
    return " ".join(words[each] for each in ids if each in words)


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(FETCH_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def fetch_imdb() -> Imdb:
    """Return IMDB as Keras has it."""
    import keras  # noqa: PLC0415  # the other sources do without

    known, test = keras.datasets.imdb.load_data()
    return known, test, keras.datasets.imdb.get_word_index()

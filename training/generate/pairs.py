"""Questions with their replies, to learn from and to be judged by: small talk of our own, or a file of pairs.

Knows which pairs are held out; knows nothing of tokens or models. From a file, a fixed share of the questions is held
out with all their replies, by a hash of their letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from training.errors import DataError
from training.generate import small_talk
from training.job import Summary

HELD_OUT = 1 / 20
FEWEST = 100

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Three parts without a common question; a pair is a question, or a conversation, and its reply."""

    summary: Summary
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    held_out: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many pairs the parts have; from a file, at most so many."""

    train: int
    validation: int
    held_out: int


def read(data: str | None, sizes: Sizes, seed: int) -> Pairs:
    """Draw small talk, or read the file that `--data` names; raises DataError."""
    return from_small_talk(sizes, seed) if data is None else from_file(Path(data), sizes)


def from_small_talk(sizes: Sizes, seed: int) -> Pairs:
    """Draw until every part is full; no question is drawn twice."""
    held, known, train = dict[str, str](), dict[str, str](), dict[str, str]()
    parts = ((train, sizes.train), (known, sizes.validation), (held, sizes.held_out))
    for drawn in small_talk.conversations(seed):
        if drawn.share < small_talk.HELD_OUT:
            part, most = parts[2]
        elif drawn.share < small_talk.HELD_OUT + small_talk.VALIDATION:
            part, most = parts[1]
        else:
            part, most = parts[0]
        if len(part) < most:
            part.setdefault(drawn.question, drawn.reply)
        if all(len(part) == most for part, most in parts):
            break
    return _pairs("small talk", train.items(), known.items(), held.items())


def from_file(path: Path, sizes: Sizes) -> Pairs:
    """Read tab-separated pairs, the question first; further columns are ignored.

    Raises DataError with the number of the first line that is not a pair, or if there are too few.
    """
    train, known, held = list[Pair](), list[Pair](), list[Pair]()
    for pair in dict.fromkeys(_lines(path)):
        share = _share(pair[0])
        (held if share < HELD_OUT else known if share < 2 * HELD_OUT else train).append(pair)
    if not known or not held or len(train) < FEWEST:
        found = len(train) + len(known) + len(held)
        raise DataError(f"{path.name} has {found} different pairs, too few to train on and hold some out")
    return _pairs(path.name, train[: sizes.train], known[: sizes.validation], held[: sizes.held_out])


def _pairs(source: str, *parts: Iterable[Pair]) -> Pairs:
    train, known, held = (tuple(part) for part in parts)
    sizes = {"train": len(train), "validation": len(known), "held out": len(held)}
    return Pairs(Summary(f"{source}, questions with replies", sizes), train, known, held)


def _lines(path: Path) -> Iterable[Pair]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"file of pairs {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"file of pairs {path.name} is not UTF-8: byte {error.start} is {error.reason}"
        ) from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _pair(line.rstrip("\r"), f"{path.name}, line {number}")


def _pair(line: str, where: str) -> Pair:
    columns = line.split("\t")
    if len(columns) < 2:
        raise DataError(f"{where}: expected a question, a tab and its reply, found no tab")
    question, reply = (unicodedata.normalize("NFC", " ".join(column.split())) for column in columns[:2])
    if not any(letter.isalnum() for letter in question):
        raise DataError(f"{where}: the question has neither a letter nor a digit")
    if not reply:
        raise DataError(f"{where}: the reply is empty")
    return question, reply


def _share(question: str) -> float:
    """Return a number in [0, 1) of the letters alone: "Hi!" must not be learned and "hi" held out."""
    letters = " ".join("".join(c if c.isalnum() else " " for c in question.casefold()).split())
    return int.from_bytes(blake2b(letters.encode(), digest_size=8).digest()) / 2**64

"""Sentence pairs to learn from and to be judged by: from the grammar, or from a file of pairs.

Knows which pairs are held out; knows nothing of models.

From the grammar, a fixed twentieth of all combinations (of an adjective with a noun, a verb with its subject, a verb
with its object) is set aside by a hash. No training sentence has one of them, every held-out sentence has at least
one: what is measured is whether words that never met are put together rightly. From a file, a fixed share of the
English sentences is held out with all their translations, by a hash of their letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from training.errors import DataError
from training.job import Summary
from training.translate import grammar

HELD_OUT_COMBINATIONS = 1 / 20
HELD_OUT_SENTENCES = 1 / 50
FEWEST = 100


@dataclass(frozen=True, slots=True)
class Bitext:
    """Sentences that mean the same, line by line."""

    english: tuple[str, ...]
    french: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.english)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Three parts without a common English sentence."""

    summary: Summary
    train: Bitext
    validation: Bitext
    held_out: Bitext


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many pairs the parts have; from a file, at most so many."""

    train: int
    validation: int
    held_out: int


def read(data: str | None, sizes: Sizes, seed: int) -> Corpus:
    """Draw from the grammar, or read the file that `--data` names; raises DataError."""
    return from_grammar(sizes, seed) if data is None else from_file(Path(data), sizes)


def is_held_out(combination: str) -> bool:
    """Whether a combination of words is kept from training."""
    return _share(combination) < HELD_OUT_COMBINATIONS


def from_grammar(sizes: Sizes, seed: int) -> Corpus:
    """Draw pairs until every part is full; no English sentence is drawn twice."""
    train: dict[str, str] = {}
    others: dict[str, str] = {}
    wanted = sizes.validation + sizes.held_out
    for pair in grammar.pairs(seed):
        new = any(map(is_held_out, pair.combinations))
        part, most = (others, wanted) if new else (train, sizes.train)
        if len(part) < most:
            part.setdefault(pair.english, pair.french)
        if len(train) == sizes.train and len(others) == wanted:
            break
    known = list(others.items())
    parts = list(train.items()), known[: sizes.validation], known[sizes.validation :]
    return _corpus("synchronous grammar of English and French", parts)


def from_file(path: Path, sizes: Sizes) -> Corpus:
    """Read tab-separated pairs, English first; further columns, as Tatoeba has them, are ignored.

    Raises DataError with the number of the first line that is not a pair, or if there are too few.
    """
    train, others = list[tuple[str, str]](), list[tuple[str, str]]()
    for pair in dict.fromkeys(_lines(path)):
        (others if _share(_letters(pair[0])) < 2 * HELD_OUT_SENTENCES else train).append(pair)
    known = [pair for pair in others if _share(_letters(pair[0])) < HELD_OUT_SENTENCES]
    unseen = [pair for pair in others if _share(_letters(pair[0])) >= HELD_OUT_SENTENCES]
    if not known or not unseen or len(train) < FEWEST:
        found = len(train) + len(others)
        raise DataError(f"{path.name} has {found} different pairs, too few to train on and hold some out")
    parts = train[: sizes.train], known[: sizes.validation], unseen[: sizes.held_out]
    return _corpus(path.name, parts)


def _corpus(source: str, parts: Iterable[list[tuple[str, str]]]) -> Corpus:
    train, validation, held_out = (
        Bitext(tuple(english for english, _ in part), tuple(french for _, french in part)) for part in parts
    )
    sizes = {"train": len(train), "validation": len(validation), "held out": len(held_out)}
    return Corpus(Summary(f"{source}, sentence pairs", sizes), train, validation, held_out)


def _lines(path: Path) -> Iterable[tuple[str, str]]:
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


def _pair(line: str, where: str) -> tuple[str, str]:
    columns = line.split("\t")
    if len(columns) < 2:
        raise DataError(f"{where}: expected English, a tab and French, found no tab")
    english, french = (unicodedata.normalize("NFC", " ".join(column.split())) for column in columns[:2])
    for name, sentence in (("English", english), ("French", french)):
        if not sentence:
            raise DataError(f"{where}: the {name} sentence is empty")
    return english, french


def _letters(sentence: str) -> str:
    """The sentence without case and punctuation: "Go!" must not be learned and "Go." held out."""
    return " ".join("".join(c if c.isalnum() else " " for c in sentence.casefold()).split())


def _share(text: str) -> float:
    """Return a number in [0, 1) that only depends on the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64

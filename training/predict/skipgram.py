"""Words and the words around them: texts as ids, and the pairs that skip-gram learns from.

Knows ids and windows; knows nothing of models (Mikolov et al. 2013, both papers).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training import words
from training.errors import DataError
from training.job import Summary
from training.predict import relations
from training.text_file import read_text
from training.words import SPECIAL, Ids

FEWEST_SENTENCES = 100
FEWEST_WORDS = 10
VALIDATION, HELD_OUT = 0.05, 0.05
SMOOTHING = 0.75
"""The power of a word's count by which it is drawn as a negative one."""
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n\s*\n")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences as ids, in three parts; `counts` [vocabulary] of those that are trained on."""

    summary: Summary
    tokenizer: Tokenizer
    train: list[list[int]]
    validation: list[list[int]]
    held_out: list[list[int]]
    counts: NDArray[np.int64]


def read(data: str | None, made: int, *, vocabulary: int, fewest: int) -> Corpus:
    """Make `made` sentences (None), or read those of a text file; raises DataError.

    Words that occur fewer than `fewest` times are left out, so that what is around them moves closer.
    """
    source, texts = "sentences about known relations", list[str]()
    if data is None:
        texts = list(islice(relations.sentences(random.Random(0)), made))
    else:
        source = f"sentences of {Path(data).name}"
        found = (" ".join(each.split()) for each in _SENTENCE.split(read_text(Path(data))))
        texts = [each for each in dict.fromkeys(found) if each]
    if len(texts) < FEWEST_SENTENCES:
        raise DataError(f"{source}: found {len(texts)} of them, expected at least {FEWEST_SENTENCES}")
    order = np.random.default_rng(0).permutation(len(texts))
    first, second = round(len(texts) * HELD_OUT), round(len(texts) * (HELD_OUT + VALIDATION))
    parts = [[texts[place] for place in part] for part in np.split(order, [first, second])]
    tokenizer = words.learn(parts[2], vocabulary, fewest=fewest)
    if (known := tokenizer.get_vocab_size() - len(SPECIAL)) < FEWEST_WORDS:
        raise DataError(
            f"{source}: found {known} words that occur {fewest} times, expected at least {FEWEST_WORDS}"
        )
    held_out, validation, train = (_known(tokenizer, part) for part in parts)
    counts = np.bincount([each for row in train for each in row], minlength=tokenizer.get_vocab_size())
    sizes = {"train": len(train), "validation": len(validation), "held_out": len(held_out)}
    return Corpus(Summary(source, sizes), tokenizer, train, validation, held_out, counts)


def _known(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    rows = words.encode(tokenizer, texts)
    return [[each for each in row if each >= len(SPECIAL)] for row in rows]


def thinned(
    rows: list[list[int]], counts: NDArray[np.int64], threshold: float, rng: np.random.Generator
) -> list[list[int]]:
    """Return rows without most of the words that are more frequent than `threshold` of all: they tell little."""
    share = counts / max(counts.sum(), 1)
    kept = np.minimum(1, np.sqrt(threshold / np.maximum(share, 1e-12)))
    return [[each for each in row if rng.random() < kept[each]] for row in rows]


def pairs(rows: list[list[int]], window: int, rng: np.random.Generator) -> Ids:
    """Return each word with those around it [count, 2]: up to `window` away, each distance up to a bound that is drawn."""
    flat = np.concatenate([np.array(row, np.int32) for row in rows] or [np.empty(0, np.int32)])
    sentence = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    bound = rng.integers(1, window + 1, len(flat))
    found = []
    for distance in range(1, window + 1):
        together = sentence[:-distance] == sentence[distance:]
        for word, other, reach in (
            (flat[:-distance], flat[distance:], bound[:-distance]),
            (flat[distance:], flat[:-distance], bound[distance:]),
        ):
            chosen = together & (reach >= distance)
            found.append(np.stack([word[chosen], other[chosen]], axis=1))
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws words in the place of a true neighbour, by their smoothed counts."""

    cumulative: NDArray[np.float64]

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Draws:
        """Smooth `counts` [vocabulary]."""
        smooth = counts.astype(np.float64) ** SMOOTHING
        return cls(np.cumsum(smooth) / smooth.sum())

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Ids:
        """Return ids of such a shape."""
        found = np.searchsorted(self.cumulative, rng.random(shape), side="right")
        return np.minimum(found, len(self.cumulative) - 1).astype(np.int32)


def endless(corpus: Corpus, *, window: int, threshold: float, rng: np.random.Generator) -> Iterator[Ids]:
    """Yield the pairs of one pass over the training part after the other, in random order."""
    while True:
        found = pairs(thinned(corpus.train, corpus.counts, threshold, rng), window, rng)
        rng.shuffle(found)
        yield found

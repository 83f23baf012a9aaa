"""Prose as character ids: the language reference of Python's own help, or a text file.

Knows characters and which part of the text is held out; knows nothing of models.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.job import Summary
from training.text_file import read_text

Ids = NDArray[np.int32]

UNKNOWN = 0
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"
SHORTEST = 5_000
SHARES = (0.925, 0.025, 0.05)
LONG_PARAGRAPH = 40


@dataclass(frozen=True, slots=True)
class Prose:
    """Three neighbouring parts of one text. `vocabulary[i]` is the character with id i; id 0 is any other one."""

    summary: Summary
    vocabulary: tuple[str, ...]
    train: Ids
    validation: Ids
    held_out: Ids


def read(data: str | None) -> Prose:
    """Read the text that `--data` names: None is Python's help, otherwise a file in UTF-8.

    Raises DataError if the file cannot be read, is not UTF-8 or too short.
    """
    source, text = (
        ("pydoc_data.topics", _topics()) if data is None else (Path(data).name, read_text(Path(data)))
    )
    text = without_repeats(text)
    if len(text) < SHORTEST:
        raise DataError(f"{source} has {len(text)} characters without repeats, expected at least {SHORTEST}")
    cuts = [0, *(int(len(text) * share) for share in np.cumsum(SHARES[:-1])), len(text)]
    train, validation, held_out = (text[start:end] for start, end in pairwise(cuts))
    vocabulary = (UNKNOWN_CHARACTER, *sorted(set(train) - {UNKNOWN_CHARACTER}))
    sizes = {"train": len(train), "validation": len(validation), "held out": len(held_out)}
    return Prose(
        Summary(f"{source}, characters", sizes),
        vocabulary,
        *(encode(part, vocabulary) for part in (train, validation, held_out)),
    )


def encode(text: str, vocabulary: tuple[str, ...]) -> Ids:
    """Return the id of each character; those outside the vocabulary become `UNKNOWN`."""
    ids = {character: index for index, character in enumerate(vocabulary)}
    return np.array([ids.get(character, UNKNOWN) for character in text], np.int32)


def without_repeats(text: str) -> str:
    """Keep only the first of equal long paragraphs: Python's help prints many sections twice, and what was
    trained on must not be held out.
    """
    seen: set[str] = set()
    kept = []
    for paragraph in text.split("\n\n"):
        if paragraph not in seen:
            kept.append(paragraph)
        if len(paragraph) >= LONG_PARAGRAPH:
            seen.add(paragraph)
    return "\n\n".join(kept)


def _topics() -> str:
    return "\n\n".join(topic.strip() for topic in topics.values())

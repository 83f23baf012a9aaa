"""Texts as ids of whole words, by a vocabulary that is learnt from them; rows of ids padded and cut to one length.

Knows Hugging Face's `tokenizers`, whose file the gateway reads; knows nothing of what the texts are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from training import atomic

PAD, UNKNOWN = range(2)
SPECIAL = ("[PAD]", "[UNK]")
_WORD = r"[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}]+)?|[.,;:!?]"
_MULTIPLE = 8

Ids = NDArray[np.int32]
Side = Literal["left", "right"]
End = Literal["first", "last"]


def learn(texts: Iterable[str], vocabulary: int, *, fewest: int = 1) -> Tokenizer:
    """Return a tokenizer for the words that occur `fewest` times or more, `vocabulary` entries at most.

    Words are lower case, with the apostrophe within; `.,;:!?` are words too. Marks of HTML and the rest are left out.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex("<[^<>]*>"), " "), normalizers.NFC(), normalizers.Lowercase(),
         normalizers.Replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")]
    )  # fmt: skip
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary, min_frequency=fewest, special_tokens=list(SPECIAL), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _without_added(tokenizer)


def _without_added(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer for which "[PAD]" is a text like any other: nobody shall write padding."""
    plain = Tokenizer(models.WordLevel(tokenizer.get_vocab(), unk_token=SPECIAL[UNKNOWN]))
    plain.normalizer, plain.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    return plain


def words_of(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Return the vocabulary in the order of its ids."""
    found = tokenizer.get_vocab()
    return tuple(sorted(found, key=found.__getitem__))


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of each text."""
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def save(tokenizer: Tokenizer, target: Path) -> None:
    """Write `tokenizer.json`."""
    atomic.write(target, lambda path: tokenizer.save(str(path)))


@dataclass(frozen=True, slots=True)
class Window:
    """How many words of a text a model sees, and of which end of a longer one."""

    length: int
    keep: End = "last"

    def cut(self, row: Sequence[int]) -> Sequence[int]:
        """Return the part of a row that is seen."""
        if len(row) <= self.length:
            return row
        return row[: self.length] if self.keep == "first" else row[-self.length :]

    def rows(self, rows: Sequence[Sequence[int]], side: Side = "right") -> Ids:
        """Return all rows cut, and padded on one side [count, length]."""
        array = np.full((len(rows), self.length), PAD, np.int32)
        for index, row in enumerate(map(self.cut, rows)):
            start = 0 if side == "right" else self.length - len(row)
            array[index, start : start + len(row)] = row
        return array


def fitting(lengths: Sequence[int], cover: float, *, longest: int, keep: End) -> Window:
    """Return the window that holds a share `cover` of texts of such lengths whole, but no more than `longest`."""
    covering = max(1, int(np.quantile(lengths, cover, method="inverted_cdf")))
    return Window(min(longest, -(-covering // _MULTIPLE) * _MULTIPLE), keep)

"""Text to token ids and back, by the vocabulary or the tokenizer that lies in a version directory.

Knows the two kinds of the manifest. Knows nothing of models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import tokenizers

from service import bundle
from service.bundle import BundleError
from service.errors import Invalid

CHARACTERS_PER_TOKEN = 64
"""A text with more characters than so many for each allowed token is refused before it is tokenised."""


class Tokenizer(Protocol):
    """Encodes and decodes for one model version."""

    @property
    def size(self) -> int:
        """How many token ids there are: all are below it."""

    def encode(self, text: str, field: str) -> list[int]:
        """Return the ids of `text`, special ones only if the description says so; raises Invalid with `field`."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special ones left out."""

    def piece(self, token: int) -> str:
        """Return the text of one token by itself; a special one is told by its name."""

    def longest(self, tokens: int) -> int:
        """Return how many characters a text of `tokens` tokens may have at most."""


class CharacterTokenizer:
    """A token for each character of a list; what is not in it becomes `unknown_id`, or is refused."""

    def __init__(self, characters: Sequence[str], unknown_id: int | None = None) -> None:
        self._characters = tuple(characters)
        self._ids = {character: index for index, character in enumerate(characters)}
        self._unknown_id = unknown_id

    @property
    def size(self) -> int:
        """How many characters there are."""
        return len(self._characters)

    def encode(self, text: str, field: str) -> list[int]:
        """Return one id for each character (`Tokenizer.encode`)."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            if self._unknown_id is not None:
                return [self._ids.get(character, self._unknown_id) for character in text]
        at = next(index for index, character in enumerate(text) if character not in self._ids)
        raise Invalid(
            f"character {text[at]!a} at position {at} is not among the {self.size} that this model knows",
            field=field,
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Return one character for each id."""
        return "".join(self._characters[token] for token in ids)

    def piece(self, token: int) -> str:
        """Return its character."""
        return self._characters[token]

    def longest(self, tokens: int) -> int:
        """Return `tokens`."""
        return tokens


class SubwordTokenizer:
    """A Hugging Face `tokenizer.json`; its special tokens are not decoded, and added to a text if `adds_special`."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, adds_special: bool = False) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._adds_special = adds_special

    @property
    def size(self) -> int:
        """How many entries there are, added tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str, field: str) -> list[int]:
        """Return the ids of the text's pieces (`Tokenizer.encode`)."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Invalid("expected valid Unicode, got a lone surrogate", field=field) from error
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=self._adds_special).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of `ids`, special ones left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def piece(self, token: int) -> str:
        """Return its text as if nothing stood around it; "" if the tokenizer has no such entry."""
        return str(self._tokenizer.decode([token], skip_special_tokens=False))

    def longest(self, tokens: int) -> int:
        """Return a generous number of characters."""
        return tokens * CHARACTERS_PER_TOKEN


def load_tokenizer(description: bundle.Tokenizer, directory: Path, vocabulary_size: int) -> Tokenizer:
    """Load the tokenizer of a version; raises BundleError if it cannot be read or does not fit the model."""
    path = (directory / description.file).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise BundleError(f"file '{description.file}' lies outside the version directory")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"tokenizer '{description.file}' cannot be read") from error
    tokenizer = _LOADERS[description.kind](description, text)
    exact = description.kind == "characters"
    if tokenizer.size > vocabulary_size or (exact and tokenizer.size != vocabulary_size):
        raise BundleError(
            f"tokenizer '{description.file}' has {tokenizer.size} entries, the model {vocabulary_size}"
        )
    unknown = description.unknown_id
    if unknown is not None and not 0 <= unknown < vocabulary_size:
        raise BundleError(f"unknown_id {unknown} of '{description.file}' is outside the vocabulary")
    return tokenizer


def _characters(description: bundle.Tokenizer, text: str) -> Tokenizer:
    try:
        characters = json.loads(text)
    except ValueError as error:
        raise BundleError(f"tokenizer '{description.file}' is not JSON") from error
    if not isinstance(characters, list) or not all(
        isinstance(character, str) and len(character) == 1 for character in characters
    ):
        raise BundleError(f"tokenizer '{description.file}': expected a list of characters")
    if len(set(characters)) < len(characters):
        raise BundleError(f"tokenizer '{description.file}' has a character twice")
    return CharacterTokenizer(characters, description.unknown_id)


def _subwords(description: bundle.Tokenizer, text: str) -> Tokenizer:
    try:
        made = tokenizers.Tokenizer.from_str(text)
        return SubwordTokenizer(made, adds_special=description.adds_special)
    except Exception as error:  # the library raises nothing more exact
        raise BundleError(f"tokenizer '{description.file}' is not a valid tokenizer.json") from error


_LOADERS = {"characters": _characters, "tokenizers": _subwords}

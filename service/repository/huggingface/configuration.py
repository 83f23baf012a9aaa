"""Read what a model's configuration files say of special tokens and lengths.

Knows `config.json`, `generation_config.json` and `tokenizer_config.json`. Knows nothing of graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.repository.errors import LoadError

CONFIG = "config.json"
GENERATION = "generation_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FALLBACK_TOKENS = 512
"""How long a sequence may be where no file says: relative positions have no end of their own."""
_LARGEST_BYTES = 4 * 1024 * 1024
_NOT_APPLIED: Mapping[str, tuple[Any, ...]] = {
    "forced_bos_token_id": (None,),
    "begin_suppress_tokens": (None, []),
    "no_repeat_ngram_size": (None, 0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "min_length": (None, 0),
    "min_new_tokens": (None, 0),
    "repetition_penalty": (None, 1),
}
"""Settings that change a greedy answer in transformers and are not heeded here, with values that change nothing."""

Id = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Ids(_File):
    """Special tokens, which either file may have."""

    bos_token_id: Id | None = None
    eos_token_id: Id | list[Id] | None = None
    pad_token_id: Id | None = None
    decoder_start_token_id: Id | None = None


class Architecture(Ids):
    """`config.json`: sizes of the model; each architecture has its own names."""

    num_key_value_heads: Size | None = None
    num_attention_heads: Size | None = None
    hidden_size: Size | None = None
    head_dim: Size | None = None
    max_position_embeddings: Size | None = None
    n_positions: Size | None = None
    max_seq_len: Size | None = None
    max_source_positions: Size | None = None
    max_target_positions: Size | None = None


class Generation(Ids):
    """`generation_config.json`: how the model wants to be asked; of the search only what decides whether a token may come."""

    max_new_tokens: Size | None = None
    max_length: Size | None = None
    bad_words_ids: list[list[Id]] | None = None
    suppress_tokens: list[Id] | None = None
    forced_bos_token_id: Any = None
    begin_suppress_tokens: Any = None
    no_repeat_ngram_size: Any = None
    encoder_no_repeat_ngram_size: Any = None
    min_length: Any = None
    min_new_tokens: Any = None
    repetition_penalty: Any = None


class TokenizerSettings(_File):
    """`tokenizer_config.json`: how many tokens the tokenizer would keep (a huge number: no limit)."""

    model_max_length: Annotated[float, Field(ge=1, strict=False)] | None = None
    source_lang: str | None = None
    target_lang: str | None = None


FileOf = TypeVar("FileOf", bound=_File)


class Configuration(BaseModel):
    """What the files say together; what decides generation comes from `generation_config.json` first."""

    model_config = ConfigDict(frozen=True)

    architecture: Architecture
    generation: Generation = Generation()
    tokenizer: TokenizerSettings = TokenizerSettings()

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end a sequence, the one to be used first; none if no file names one."""
        ids = self._first("eos_token_id")
        if isinstance(ids, list):
            return tuple(dict.fromkeys(ids))
        return () if ids is None else (ids,)

    @property
    def start_id(self) -> int | None:
        """The token that a text without tokens starts with."""
        return self._id("bos_token_id")

    @property
    def decoder_start_id(self) -> int | None:
        """The token that a target sentence starts with."""
        start = self._id("decoder_start_token_id")
        return self.start_id if start is None else start

    @property
    def pad_id(self) -> int | None:
        """The token that fills."""
        return self._id("pad_token_id")

    @property
    def suppressed_ids(self) -> tuple[int, ...]:
        """Tokens that must never be chosen; words of several tokens are not among them."""
        words = self.generation.bad_words_ids or []
        never = [word[0] for word in words if len(word) == 1] + (self.generation.suppress_tokens or [])
        return tuple(sorted(set(never) - set(self.end_ids)))

    @property
    def not_applied(self) -> tuple[str, ...]:
        """Settings that would change a greedy answer in transformers, and are not heeded here."""
        settings = self.generation
        found = [name for name, neutral in _NOT_APPLIED.items() if getattr(settings, name) not in neutral]
        if any(len(word) > 1 for word in settings.bad_words_ids or []):
            found.append("bad_words_ids of several tokens")
        return tuple(found)

    @property
    def heads(self) -> int | None:
        """How many heads a cache has."""
        return self.architecture.num_key_value_heads or self.architecture.num_attention_heads

    @property
    def head_size(self) -> int | None:
        """How many numbers a head has."""
        told = self.architecture
        if told.head_dim or not (told.hidden_size and told.num_attention_heads):
            return told.head_dim
        return told.hidden_size // told.num_attention_heads

    @property
    def positions(self) -> int | None:
        """How many positions the model knows; None where they have no end."""
        told = self.architecture
        return told.max_position_embeddings or told.n_positions or told.max_seq_len

    @property
    def max_tokens(self) -> int:
        """How long a prompt and its continuation may be together."""
        return self.positions or self._tokenizer_limit() or FALLBACK_TOKENS

    @property
    def max_source_tokens(self) -> int:
        """How long a source sentence may be, special tokens included."""
        known = (self.positions, self.architecture.max_source_positions, self._tokenizer_limit())
        return min((limit for limit in known if limit), default=FALLBACK_TOKENS)

    def max_new_tokens(self, longest: int) -> int:
        """Return how many tokens may be made, given that `longest` would fit."""
        wanted = self.generation.max_new_tokens or self.generation.max_length or longest
        return max(1, min(wanted, longest))

    def _tokenizer_limit(self) -> int | None:
        limit = self.tokenizer.model_max_length
        return int(limit) if limit is not None and limit < 2**31 else None

    def _first(self, name: str) -> int | list[int] | None:
        told: int | list[int] | None = getattr(self.generation, name)
        if told is None:
            told = getattr(self.architecture, name)
        return told

    def _id(self, name: str) -> int | None:
        told = self._first(name)
        return told if isinstance(told, int) else None


def read(directory: Path) -> Configuration:
    """Read the files of a version; all but `config.json` may be missing. Raises LoadError."""
    architecture = _read(directory / CONFIG, Architecture)
    if architecture is None:
        raise LoadError(f"'{CONFIG}' is missing")
    return Configuration(
        architecture=architecture,
        generation=_read(directory / GENERATION, Generation) or Generation(),
        tokenizer=_read(directory / TOKENIZER_CONFIG, TokenizerSettings) or TokenizerSettings(),
    )


def _read(path: Path, kind: type[FileOf]) -> FileOf | None:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise LoadError(f"'{path.name}' is too large to be a configuration")
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LoadError(f"'{path.name}' is not valid: {where}: {first['msg']}") from error

"""Check the tokenizers that a job left for its exporter.

Knows `tokenizer.json` files of a run, and nothing of models but how many entries they have.
"""

from __future__ import annotations

from export.errors import RunError
from export.recipe import Source


def check_tokenizer(source: Source, name: str, size: int) -> None:
    """Raise RunError unless the run has a tokenizer called `name` of exactly `size` entries."""
    from tokenizers import Tokenizer as Reader  # noqa: PLC0415

    try:
        found = Reader.from_file(str(source.assets / name)).get_vocab_size()
    except Exception as error:  # tokenizers raises bare Exception
        raise RunError(f"{name} of the run cannot be read: {error}") from error
    if found != size:
        raise RunError(f"{name} has {found} entries, the model has {size}")

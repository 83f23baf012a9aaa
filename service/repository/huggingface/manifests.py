"""Write the contract of a version of Hugging Face's exporters: what its tokens, limits and graphs are for.

Pure: configuration and signatures in, a task out. Knows nothing of files beyond their names.
"""

from __future__ import annotations

from service.bundle import Generate, Tokenizer, Translate
from service.repository.errors import LoadError
from service.repository.huggingface.configuration import CONFIG, GENERATION, TOKENIZER, Configuration
from service.repository.huggingface.decoder import Decoder
from service.repository.huggingface.pair import Encoder

ENCODE = "encode"
_TOKENIZER = Tokenizer(kind="tokenizers", file=TOKENIZER, adds_special=True)


def generate(decoder: Decoder, told: Configuration) -> Generate:
    """Return the task of a decoder alone: a text is continued until any of the end tokens."""
    ends = told.end_ids
    _check(told, decoder)
    longest = told.max_tokens
    return Generate(
        step=decoder.step,
        tokenizer=_TOKENIZER,
        vocabulary_size=decoder.vocabulary_size,
        start_id=told.start_id,
        end_id=ends[0] if ends else None,
        other_end_ids=ends[1:],
        max_prompt_tokens=max(1, longest - 1),
        max_new_tokens=told.max_new_tokens(longest),
        max_total_tokens=longest,
    )


def translate(encoder: Encoder, decoder: Decoder, told: Configuration) -> Translate:
    """Return the task of an encoder with a decoder: a text becomes another. Raises LoadError without the ids for it."""
    ends, start = told.end_ids, told.decoder_start_id
    if not ends:
        raise LoadError(
            f"neither '{GENERATION}' nor '{CONFIG}' has an 'eos_token_id', at which a target ends"
        )
    if start is None:
        raise LoadError(f"neither '{GENERATION}' nor '{CONFIG}' has a 'decoder_start_token_id'")
    _check(told, decoder)
    return Translate(
        encode=ENCODE,
        source=encoder.source,
        step=decoder.step,
        source_tokenizer=_TOKENIZER,
        target_tokenizer=_TOKENIZER,
        source_language=told.tokenizer.source_lang or "",
        target_language=told.tokenizer.target_lang or "",
        vocabulary_size=decoder.vocabulary_size,
        start_id=start,
        end_id=ends[0],
        other_end_ids=ends[1:],
        pad_id=ends[0] if told.pad_id is None else told.pad_id,
        max_source_tokens=told.max_source_tokens,
        max_new_tokens=told.max_new_tokens(told.architecture.max_target_positions or told.max_tokens),
    )


def _check(told: Configuration, decoder: Decoder) -> None:
    named = [("eos_token_id", token) for token in told.end_ids]
    for name, token in (*named, ("decoder_start_token_id", told.decoder_start_id)):
        if token is not None and token >= decoder.vocabulary_size:
            raise LoadError(f"'{name}' {token} is outside the vocabulary of {decoder.vocabulary_size}")

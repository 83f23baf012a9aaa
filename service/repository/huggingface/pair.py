"""Say how an encoder and a decoder of Hugging Face's exporters work together.

The cross-attention caches of a source come from the encoder and a first pass of the decoder, run as one graph; then
the decoder goes on from its start token with caches of its own that are empty. Knows no words or special tokens
but the one that a target starts with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.bundle import Signature, Tensor
from service.domain import Array
from service.engine.chained import BoundSession, ChainedSession
from service.engine.contracts import Session
from service.engine.feeds import BATCH
from service.repository.errors import LoadError
from service.repository.huggingface.decoder import (
    BRANCH,
    ENCODED,
    MASK,
    PAST,
    PRESENT,
    SOURCE,
    SOURCE_MASK,
    TOKENS,
    Decoder,
)

HIDDEN = "last_hidden_state"
_SOURCE_TOKENS = "source_ids"


@dataclass(frozen=True, slots=True)
class Encoder:
    """What makes the context of a source text: a session, its signature, and the name of its token input."""

    session: Session
    signature: Signature
    source: str = _SOURCE_TOKENS


def with_cache(session: Session, *, use: bool) -> Session:
    """Return the branch of a merged decoder that goes on from caches, or the one that has none; others as they are."""
    return BoundSession(session, {BRANCH: np.array([use])}) if BRANCH in session.inputs else session


def encoder(file: str, encoding: Session, first: Session, decoder: Decoder, start_id: int) -> Encoder:
    """Return what makes the context that `decoder` needs; raises LoadError if the graphs do not give it.

    `first` is the decoder's pass without caches.
    """
    context = decoder.step.context
    if SOURCE_MASK not in context:
        raise LoadError(
            f"'{decoder.signature.file}' has no input '{SOURCE_MASK}': texts of different lengths could not share a run"
        )
    if TOKENS not in encoding.inputs or HIDDEN not in encoding.outputs:
        raise LoadError(f"'{file}' needs an input '{TOKENS}' and an output '{HIDDEN}'")
    session = ChainedSession(
        encoding,
        first,
        first_names={TOKENS: _SOURCE_TOKENS, MASK: SOURCE_MASK, HIDDEN: ENCODED},
        second_names={PRESENT + name.removeprefix(PAST): name for name in context if name.startswith(PAST)},
        same={TOKENS: np.array([start_id], np.dtype(first.inputs[TOKENS].dtype)), **_empty(first, decoder)},
    )
    for name in session.inputs:
        if name not in {_SOURCE_TOKENS, SOURCE_MASK}:
            raise LoadError(f"nothing fills the input '{name}' of '{file}' or of the decoder's first pass")
    for name in context:
        if name != SOURCE_MASK and name not in session.outputs:
            raise LoadError(f"neither '{file}' nor the decoder's first pass gives '{name}'")
    return Encoder(session, _signature(file, session, decoder))


def _empty(first: Session, decoder: Decoder) -> dict[str, Array]:
    """Return the caches that the branch of a merged decoder without caches takes and does not look at."""
    return {
        tensor.name: np.zeros(
            [size if isinstance(size, int) else 0 for size in tensor.shape[1:]], tensor.dtype
        )
        for tensor in decoder.signature.inputs
        if tensor.name.startswith(PAST) and tensor.name in first.inputs
    }


def _signature(file: str, session: Session, decoder: Decoder) -> Signature:
    tokens = decoder.signature.input(TOKENS)
    inputs = [
        Tensor(
            name=name,
            dtype=graph.dtype,
            shape=(BATCH, SOURCE),
            kind="token_ids" if name == _SOURCE_TOKENS else "mask",
            range=tokens.range if name == _SOURCE_TOKENS else None,
            pad=tokens.pad if name == _SOURCE_TOKENS else 0,
        )
        for name, graph in session.inputs.items()
    ]
    outputs = [decoder.signature.input(name) for name in decoder.step.context if name != SOURCE_MASK]
    return Signature(file=file, saved_model_signature="", inputs=tuple(inputs), outputs=tuple(outputs))

"""Take texts in the place of token ids: what a signature's inputs become when a caller gives words.

Knows the kinds of inputs and a tokenizer. Knows nothing of graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.bundle import Signature, Tensor
from service.domain import Array
from service.errors import Invalid
from service.tasks.tokenizer import Tokenizer

MOST_TOKENS = 8192
"""A longer text is refused."""


class TextInputs:
    """Makes token ids of texts for one signature; made once, used for every request.

    `unknown_id` is refused where an input wants one token for each row: it would stand for any word.
    """

    def __init__(self, signature: Signature, tokenizer: Tokenizer, unknown_id: int | None) -> None:
        self._tokens = {tensor.name: tensor for tensor in signature.inputs if tensor.kind == "token_ids"}
        self._others = [tensor for tensor in signature.inputs if tensor.kind in _FILLED]
        self._tokenizer = tokenizer
        self._unknown_id = unknown_id

    def __call__(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `inputs` with token ids for texts, padded on the right, and with lengths, mask and positions that are
        missing beside them; equal ones if there are no texts. Raises Invalid (field `inputs.<name>`).
        """
        made: dict[str, Any] = {}
        left = dict(inputs)
        for name, tensor in self._tokens.items():
            texts = _texts(inputs.get(name))
            if texts is None:
                continue
            del left[name]
            rows = [self._encode(text, f"inputs.{name}") for text in texts]
            if len(tensor.shape) == 1:
                made[name] = self._single(rows, texts, tensor)
            else:
                made |= self._padded(rows, tensor)
        return made | left

    def _encode(self, text: str, field: str) -> list[int]:
        if len(text) > self._tokenizer.longest(MOST_TOKENS):
            raise Invalid(f"expected texts of at most {MOST_TOKENS} tokens", field=field)
        ids = self._tokenizer.encode(text, field)
        if not ids:
            raise Invalid("expected a text, got nothing but space", field=field)
        if len(ids) > MOST_TOKENS:
            raise Invalid(f"expected texts of at most {MOST_TOKENS} tokens, got {len(ids)}", field=field)
        return ids

    def _single(self, rows: Sequence[Sequence[int]], texts: Sequence[str], tensor: Tensor) -> Array:
        for row, (ids, text) in enumerate(zip(rows, texts, strict=True)):
            if len(ids) != 1 or ids[0] == self._unknown_id:
                shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
                raise Invalid(
                    f"input '{tensor.name}': expected a word of the vocabulary, got {shown!r} at [{row}]",
                    field=f"inputs.{tensor.name}",
                )
        return np.array([ids[0] for ids in rows], tensor.dtype)

    def _padded(self, rows: Sequence[Sequence[int]], tensor: Tensor) -> dict[str, Array]:
        axis = tensor.shape[1]
        lengths = np.array([len(ids) for ids in rows])
        size = axis if isinstance(axis, int) else int(lengths.max())
        if lengths.max() > size:
            raise Invalid(f"expected texts of at most {size} tokens", field=f"inputs.{tensor.name}")
        tokens = np.full((len(rows), size), tensor.pad, tensor.dtype)
        for row, ids in enumerate(rows):
            tokens[row, : len(ids)] = ids
        place = np.broadcast_to(np.arange(size), tokens.shape)
        filled = {"lengths": lengths, "mask": place < lengths[:, None], "positions": place}
        made = {other.name: filled[other.kind].astype(other.dtype) for other in self._others}
        return {tensor.name: tokens, **made}


_FILLED = frozenset({"lengths", "mask", "positions"})
_SHOWN = 40


def _texts(value: Any) -> list[str] | None:
    """Return the texts that a value is: a list or an array [batch] of at least one; None if it is something else."""
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.ndim == 1 and value.dtype.kind in "OU" else None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(each, str) for each in value):
        return None
    return list(value)

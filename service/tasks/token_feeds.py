"""Make the feeds of a signature that reads one text: its tokens, and what goes with them.

Knows the kinds of inputs. Knows nothing of tokenizers or languages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.bundle import BundleError, Signature
from service.domain import Array

_FILLED = frozenset({"lengths", "mask", "positions"})


class TokenFeeds:
    """Feeds of one row for a signature whose tokens go into `tokens`; made once, used for every request.

    Raises BundleError if the signature has an input that nothing here can fill.
    """

    def __init__(self, signature: Signature, tokens: str) -> None:
        for tensor in signature.inputs:
            if tensor.name != tokens and tensor.kind not in _FILLED:
                raise BundleError(f"nothing fills the input '{tensor.name}' of kind '{tensor.kind}'")
        self._tokens = signature.input(tokens)
        self._others = [tensor for tensor in signature.inputs if tensor.name != tokens]
        axis = self._tokens.shape[1]
        self.longest = axis if isinstance(axis, int) else None

    def __call__(self, ids: Sequence[int]) -> dict[str, Array]:
        """Return the feeds for `ids`; where the graph wants a fixed number of tokens, padded on the right."""
        count = len(ids)
        size = self.longest or count
        tokens = np.full((1, size), self._tokens.pad, self._tokens.dtype)
        tokens[0, :count] = ids
        feeds = {self._tokens.name: tokens}
        for tensor in self._others:
            if tensor.kind == "lengths":
                filled = np.array([count])
            elif tensor.kind == "mask":
                filled = (np.arange(size) < count)[None]
            else:
                filled = np.arange(size)[None]
            feeds[tensor.name] = filled.astype(tensor.dtype)
        return feeds

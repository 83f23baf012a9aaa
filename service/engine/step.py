"""Make the feeds of a step run from rows of tokens, and take its outputs back.

Driven by the manifest's step block. Knows tokens, lengths, positions, context and state; no callers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.bundle import Signature, StepGraph, Tensor
from service.domain import Array, Tensors
from service.engine.slots import SlotState

Row = tuple[tuple[int, ...], Tensors]
"""The tokens that a row is fed in a step, and its context."""


class StepFeeds:
    """The tensors around the runs of one step graph over `slots` rows."""

    def __init__(self, graph: StepGraph, signature: Signature, slots: int) -> None:
        self._graph = graph
        self._tokens = signature.input(graph.tokens)
        self._lengths = signature.input(graph.lengths) if graph.lengths else None
        self._positions = signature.input(graph.positions) if graph.positions else None
        self._mask = signature.input(graph.mask) if graph.mask else None
        self._every_logit = len(signature.output(graph.logits).shape) == 3  # [batch, time, vocabulary]
        self._context = [signature.input(name) for name in graph.context]
        self._context_of: list[Tensors] = []
        self._context_feeds: dict[str, Array] = {}
        self.state = SlotState(graph, signature, slots)
        self.outputs = (graph.logits, *(entry.output for entry in graph.state))

    @property
    def ragged(self) -> bool:
        """Whether rows of different token counts may share a run: the time axis is free, and the graph takes
        lengths, or a mask and gives every token's logits.
        """
        told = self._lengths is not None or (self._mask is not None and self._every_logit)
        return told and isinstance(self._tokens.shape[1], str)

    def feeds(self, slots: Sequence[int], rows: Sequence[Row]) -> dict[str, Array]:
        """Return the feeds of a run that gives each slot its row's tokens, padded on the right."""
        counts = np.array([len(tokens) for tokens, _ in rows])
        longest = int(counts.max())
        ids = np.full((len(rows), longest), self._tokens.pad, self._tokens.dtype)
        for row, (tokens, _) in enumerate(rows):
            ids[row, : len(tokens)] = tokens
        feeds = {self._tokens.name: ids, **self.state.feeds(slots), **self._shared([row[1] for row in rows])}
        if self._lengths is not None:
            feeds[self._lengths.name] = counts.astype(self._lengths.dtype)
        if self._positions is not None:
            positions = self.state.seen[list(slots)][:, None] + np.arange(longest)[None, :]
            feeds[self._positions.name] = positions.astype(self._positions.dtype)
        if self._mask is not None:
            new = np.arange(longest)[None, :] < counts[:, None]
            mask = np.concatenate([self.state.valid(slots), new], axis=1)
            feeds[self._mask.name] = mask.astype(self._mask.dtype)
        return feeds

    def take(self, slots: Sequence[int], rows: Sequence[Row], outputs: Tensors) -> Array:
        """Store the new state and return the logits [rows, vocabulary]."""
        counts = [len(tokens) for tokens, _ in rows]
        self.state.store(slots, outputs, counts)
        logits = outputs[self._graph.logits]
        return logits[np.arange(len(rows)), np.array(counts) - 1] if self._every_logit else logits

    def _shared(self, contexts: Sequence[Tensors]) -> dict[str, Array]:
        """Return the context inputs, made again only when the rows change."""
        if not self._context:
            return {}
        known = self._context_of
        if len(known) != len(contexts) or any(a is not b for a, b in zip(known, contexts, strict=True)):
            self._context_feeds = {
                tensor.name: _stack([context[tensor.name] for context in contexts], tensor)
                for tensor in self._context
            }
            self._context_of = list(contexts)
        return self._context_feeds


def _stack(parts: Sequence[Array], tensor: Tensor) -> Array:
    """Return [rows, ...] of arrays whose free axes may differ, padded on the right with the tensor's pad."""
    shapes = {part.shape for part in parts}
    if len(shapes) == 1:
        return np.stack(parts)
    longest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    stacked = np.full((len(parts), *longest), tensor.pad, tensor.dtype)
    for row, part in enumerate(parts):
        stacked[row][tuple(slice(size) for size in part.shape)] = part
    return stacked

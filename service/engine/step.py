"""Make the feeds of a run over neighbouring slots, and take its outputs back.

Driven by the manifest's step block. Knows tokens, lengths, positions, masks, context and state; no callers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from service.bundle import Signature, StepGraph
from service.domain import Array, Tensors
from service.engine.context import ContextRows
from service.engine.contracts import Held
from service.engine.slots import SlotState
from service.engine.steady import OutputRows, SteadyFeeds

MOST_STEADY = 256
"""Of so many parts of the slots it is remembered what their steps are fed."""
_EVERY_TOKEN = 3
"""The rank of logits [batch, time, vocabulary]."""


def ragged(graph: StepGraph, signature: Signature) -> bool:
    """Say whether rows of different token counts may share a run: the time axis is free, and the graph takes lengths, or a
    mask and gives every token's logits.
    """
    told = bool(graph.lengths) or (bool(graph.mask) and _every_logit(graph, signature))
    return told and isinstance(signature.input(graph.tokens).shape[1], str)


def _every_logit(graph: StepGraph, signature: Signature) -> bool:
    return len(signature.output(graph.logits).shape) == _EVERY_TOKEN


class StepFeeds:
    """The tensors around the runs of one step graph over `slots` rows. `next` [slots, 1] is each row's next token; those of a run
    may be `ragged` or not.

    `kept` is where state and context are if not in the host's memory.
    """

    def __init__(
        self,
        graph: StepGraph,
        signature: Signature,
        slots: int,
        kept: tuple[SlotState, ContextRows] | None = None,
    ) -> None:
        self.slots = slots
        self.ragged = ragged(graph, signature)
        self._graph = graph
        self._tokens = signature.input(graph.tokens)
        self._lengths = signature.input(graph.lengths) if graph.lengths else None
        self._positions = signature.input(graph.positions) if graph.positions else None
        self._mask = signature.input(graph.mask) if graph.mask else None
        self._every_logit = _every_logit(graph, signature)
        self._suppressed = list(graph.suppressed)
        self._ones = np.ones(slots, self._lengths.dtype if self._lengths else np.int64)
        self._at = np.zeros((slots, 1), self._positions.dtype if self._positions else np.int64)
        self.next = np.zeros((slots, 1), self._tokens.dtype)
        self.state, self._context = kept or (
            SlotState(graph, signature, slots),
            ContextRows([signature.input(name) for name in graph.context], slots),
        )
        # A mask over past and new is made anew for each step, and a past of the rows' age is longer each time.
        self._stays = self._mask is None and not self.state.aligned and not self.state.holdable
        self._steady: dict[tuple[int, int], SteadyFeeds] = {}
        self._given = OutputRows(slots)
        self._lying = self.state.version, self._context.version
        self.outputs = (graph.logits, *(entry.output for entry in graph.state))

    def begin(self, contexts: Sequence[tuple[Sequence[int], Tensors]], rows: int) -> None:
        """Make slots new, each sequence's with its context; `rows` slots are in use, these included.

        Whoever had them before may have left with numbers in them that are none, which no mask takes away.
        """
        self.state.renew([slot for slots, _ in contexts for slot in slots])
        self._context.put(contexts, rows)

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Make each slot of `targets` what that of `sources` is: state, context and next token."""
        self.next[targets] = self.next[sources]
        self.state.move(sources, targets)
        self._context.move(sources, targets)

    def step(self, part: slice) -> Mapping[str, Array | Held]:
        """Return the feeds of a run that gives each slot its next token: the same as long as the arrays are."""
        past = self.state.look(part)
        if self._positions is not None:
            self._at[part, 0] = self.state.seen[part]
        lying = self.state.version, self._context.version
        if lying != self._lying or len(self._steady) > MOST_STEADY:
            self._lying = lying
            self._steady.clear()
        key = part.start, part.stop
        feeds = self._steady.get(key)
        if feeds is not None and past:
            return feeds
        made = self._step(part)
        if past and self._stays:
            self._steady[key] = steady = SteadyFeeds(cast("Tensors", made), self._given)
            return steady
        return made

    def _step(self, part: slice) -> dict[str, Array | Held]:
        feeds = {self._tokens.name: self.next[part], **self.state.feeds(part), **self._context.feeds(part)}
        if self._lengths is not None:
            feeds[self._lengths.name] = self._ones[part]
        if self._positions is not None:
            feeds[self._positions.name] = self._at[part]
        if self._graph.past_mask:
            feeds[self._graph.past_mask] = self.state.valid(part)
        if self._mask is not None:
            new = np.ones((part.stop - part.start, 1), self._mask.dtype)
            feeds[self._mask.name] = np.concatenate([self.state.valid(part), new], axis=1)
        return feeds

    def read(self, part: slice, tokens: Sequence[Sequence[int]]) -> dict[str, Array | Held]:
        """Return the feeds of a run that gives each slot its own tokens, padded on the right."""
        counts = np.array([len(each) for each in tokens])
        longest = int(counts.max())
        ids = np.full((len(tokens), longest), self._tokens.pad, self._tokens.dtype)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
        feeds = {self._tokens.name: ids, **self.state.feeds(part), **self._context.feeds(part)}
        if self._lengths is not None:
            feeds[self._lengths.name] = counts.astype(self._lengths.dtype)
        if self._positions is not None:
            # What fills a row repeats its last position: the model may not know one beyond it.
            places = np.minimum(np.arange(longest)[None, :], counts[:, None] - 1)
            positions = self.state.seen[part, None] + places
            feeds[self._positions.name] = positions.astype(self._positions.dtype)
        if self._graph.past_mask:
            feeds[self._graph.past_mask] = self.state.valid(part)
        if self._mask is not None:
            new = np.arange(longest)[None, :] < counts[:, None]
            feeds[self._mask.name] = np.concatenate(
                [self.state.valid(part), new.astype(self._mask.dtype)], axis=1
            )
        return feeds

    def take(
        self, part: slice, outputs: Mapping[str, Array | Held], counts: Sequence[int] | None = None
    ) -> Array:
        """Store the new state and return the logits [rows, vocabulary]; `counts` tokens a row, None for one each."""
        self.state.store(part, outputs, counts)
        return self._logits(outputs, counts)

    def put(
        self, slots: Sequence[int], outputs: Mapping[str, Array | Held], counts: Sequence[int], past: int
    ) -> Array:
        """Do as `take` for rows that lie anywhere by now, of a run that was fed `past`."""
        self.state.put(np.array(slots), outputs, counts, past)
        return self._logits(outputs, counts)

    def _logits(self, outputs: Mapping[str, Array | Held], counts: Sequence[int] | None) -> Array:
        logits = outputs[self._graph.logits]
        assert isinstance(logits, np.ndarray), "logits are never held"
        if self._every_logit:
            last = 0 if counts is None else np.array(counts) - 1
            logits = logits[np.arange(len(logits)), last]
        return self._allowed(logits) if self._suppressed else logits

    def _allowed(self, logits: Array) -> Array:
        allowed = logits.copy()
        # The least number, and not minus infinity: log-probabilities stay numbers.
        allowed[:, self._suppressed] = np.finfo(allowed.dtype).min
        return allowed

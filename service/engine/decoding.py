"""What sequences do with the logits of their rows: sampled rows, many at a time, or the rows of a beam search.

Pure: logits in, the next tokens and the parents of each row out. Knows nothing of slots or sessions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from service.domain import Array, FinishReason, Sampling
from service.engine.contracts import Hypothesis, Token
from service.engine.sampling import (
    Sampler,
    SamplerGroup,
    length_penalty,
    log_normalisers,
    most_probable,
)

Tops = dict[int, tuple[tuple[int, float], ...]]
"""The most probable tokens and their logprobs, by row."""
NOT_NUMBERS = "the model gave logits that are not numbers"
EndId = int | Collection[int] | None
"""The token that ends a sequence, several of which any does, or none."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What comes next for a search: the token to feed to each row, and which row's state each row goes on from.

    `result` is there when the search is over.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...] = ()
    result: Hypothesis | None = None


class SampledSequence:
    """One row whose tokens are chosen one by one; `made` has them all.

    The tokens of `given` come first, whatever would be chosen, and are told as well. One that is `plain` takes the
    token with the largest logit and tells nothing else of it.
    """

    width = 1

    def __init__(
        self,
        sampling: Sampling,
        max_new_tokens: int,
        end_id: EndId,
        prompt: Sequence[int] = (),
        given: Sequence[int] = (),
    ) -> None:
        self.given = deque(given)
        self.sampler = Sampler(sampling, (*prompt, *given))
        self.sampler.held = bool(given)
        self.top = sampling.logprobs or 0
        self.tells_logprobs = sampling.logprobs is not None or sampling.ranked or bool(given)
        self.plain = self.sampler.plain and not self.tells_logprobs
        self.made: list[int] = []
        self._told = 0
        self._most = len(given) + max_new_tokens
        self.ends = _ends(end_id)

    @property
    def length(self) -> int:
        """How many tokens were made."""
        return len(self.made)

    @property
    def left(self) -> int:
        """How many tokens may still be made."""
        return self._most - len(self.made)

    def histories(self) -> tuple[tuple[int, ...], ...]:
        """Return what was made so far in each row."""
        return (tuple(self.made),)

    def take(
        self, token: int, logprob: float | None, queue_s: float, top: tuple[tuple[int, float], ...]
    ) -> Token:
        """Go on with a token that was chosen, and return what to tell of it."""
        self.made.append(token)
        self._told = len(self.made)
        reason: FinishReason | None = "length" if self.left == 0 else None
        if self.given:
            self.given.popleft()
            self.sampler.held = bool(self.given)
        elif token in self.ends:
            reason = "stop"
        return Token(token, logprob, reason, queue_s, top)

    def untold(self, queue_s: float) -> list[Token]:
        """Return what to tell of the tokens that were made and not told; only of one that tells no logprobs."""
        tokens = [Token(token, None, None, queue_s) for token in self.made[self._told :]]
        self._told = len(self.made)
        if tokens and tokens[-1].id in self.ends:
            tokens[-1] = tokens[-1]._replace(finish_reason="stop")
        elif tokens and self.left == 0:
            tokens[-1] = tokens[-1]._replace(finish_reason="length")
        return tokens


class SampledRows:
    """Chooses the next token of the same sequences, step after step; a row's choice is its own."""

    def __init__(self, decoders: Sequence[SampledSequence]) -> None:
        self._rows = np.arange(len(decoders))
        self._silent: list[float | None] = [None] * len(decoders)
        decoders = [] if all(decoder.plain for decoder in decoders) else decoders
        self._group = SamplerGroup([decoder.sampler for decoder in decoders])
        self._told = [row for row, decoder in enumerate(decoders) if decoder.tells_logprobs]
        self._given = [(row, decoder.given) for row, decoder in enumerate(decoders) if decoder.given]
        self._wanted = [(row, decoder.top) for row, decoder in enumerate(decoders) if decoder.top]

    def choose(self, logits: Array) -> tuple[Array, list[float | None], Tops]:
        """Return the token of each row of `logits` [rows, vocabulary], and its logprob and the most probable of those
        rows that want them; raises ArithmeticError if a row's logits are not numbers.
        """
        best = logits.argmax(axis=1)
        highest = logits[self._rows, best]
        # One that is no number is found to be the largest. A few numbers are looked at sooner than an array.
        if not all(map(math.isfinite, highest.tolist())):
            raise ArithmeticError(NOT_NUMBERS)
        tokens = self._group.choose(logits, best)
        if self._given:
            tokens = tokens.copy()
            for row, given in self._given:
                tokens[row] = given[0] if given else tokens[row]
        # In a step of a small model, logarithms that nobody asked for would be most of the loop's own time.
        return (tokens, *self._logprobs(logits, tokens)) if self._told else (tokens, self._silent, {})

    def _logprobs(self, logits: Array, tokens: Array) -> tuple[list[float | None], Tops]:
        normalisers = log_normalisers(logits[self._told])
        chosen = logits[self._told, tokens[self._told]] - normalisers
        logprobs = self._silent.copy()
        for row, logprob in zip(self._told, chosen.tolist(), strict=True):
            logprobs[row] = logprob
        normaliser_of = dict(zip(self._told, normalisers.tolist(), strict=True))
        tops = {row: most_probable(logits[row], normaliser_of[row], count) for row, count in self._wanted}
        return logprobs, tops


def _ends(end_id: EndId) -> frozenset[int]:
    if end_id is None:
        return frozenset()
    return frozenset((end_id,) if isinstance(end_id, int) else end_id)


def finite_rows(logits: Array) -> Array:
    """Return which rows of `logits` [rows, vocabulary] a token can be chosen from."""
    finite: Array = np.isfinite(logits.max(axis=1))
    return finite


class BeamSearch:
    """The `beams` most probable continuations, extended side by side; the best finished one is told.

    Ends when as many hypotheses as beams have finished, or after `max_new_tokens`. Hypotheses compare by
    log-probability divided by the length penalty of Wu et al. 2016, the end token counted.
    """

    def __init__(self, beams: int, alpha: float, max_new_tokens: int, end_id: EndId) -> None:
        self.width = beams
        self._alpha = alpha
        self._left = max_new_tokens
        self._ends = _ends(end_id)
        self._made = 0
        self._tokens: list[tuple[int, ...]] = [()] * beams
        # All rows start alike: only the first may be extended, or they would stay alike.
        self._logprobs = np.full(beams, -np.inf)
        self._logprobs[0] = 0.0
        self._finished: list[Hypothesis] = []

    @property
    def length(self) -> int:
        """How many tokens were made in each row."""
        return self._made

    def histories(self) -> tuple[tuple[int, ...], ...]:
        """Return what was made so far in each row."""
        return tuple(self._tokens)

    def advance(self, logits: Array) -> Advance:
        """Extend every beam by one token and keep the best; raises ArithmeticError if no logit is a number.

        `logits` is [beams, vocabulary].
        """
        self._left -= 1
        self._made += 1
        with np.errstate(invalid="ignore"):
            extended = self._logprobs[:, None] + (logits - log_normalisers(logits)[:, None])
        parents, tokens = self._extend(extended)
        if not tokens and not self._finished:
            raise ArithmeticError(NOT_NUMBERS)
        if len(self._finished) >= self.width or not tokens:
            return Advance((), result=self._best(self._finished))
        if self._left == 0:
            live = [
                self._hypothesis(beam, float(logprob), "length")
                for beam, logprob in zip(self._tokens, self._logprobs, strict=True)
                if np.isfinite(logprob)
            ]
            return Advance((), result=self._best(self._finished or live))
        return Advance(tokens, parents)

    def _extend(self, extended: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        vocabulary = extended.shape[1]
        parents: list[int] = []
        tokens: list[int] = []
        logprobs: list[float] = []
        # Twice as many candidates as beams: even if each beam's end token is among them, enough are left.
        for rank, (candidate, logprob) in enumerate(_largest(extended.ravel(), 2 * self.width)):
            parent, token = divmod(candidate, vocabulary)
            if token in self._ends:
                if rank < self.width:
                    self._finished.append(self._hypothesis(self._tokens[parent], logprob, "stop"))
            elif len(tokens) < self.width:
                parents.append(parent)
                tokens.append(token)
                logprobs.append(logprob)
        short = self.width - len(tokens)
        extended_tokens = [
            (*self._tokens[parent], token) for parent, token in zip(parents, tokens, strict=True)
        ]
        # What is missing follows the first beam with no probability, so that all rows are of one length.
        self._tokens = extended_tokens + extended_tokens[:1] * short
        self._logprobs = np.array(logprobs + [-np.inf] * short)
        filler = (parents[0],) * short if tokens else ()
        return (*parents, *filler), (*tokens, *((tokens[0],) * short if tokens else ()))

    def _hypothesis(self, tokens: tuple[int, ...], logprob: float, reason: FinishReason) -> Hypothesis:
        length = len(tokens) + (reason == "stop")
        return Hypothesis(tokens, logprob / length_penalty(length, self._alpha), reason)

    @staticmethod
    def _best(hypotheses: list[Hypothesis]) -> Hypothesis:
        return max(hypotheses, key=lambda hypothesis: hypothesis.score)


def _largest(values: Array, count: int) -> list[tuple[int, float]]:
    """Return the positions and values of the `count` largest finite values, largest first."""
    count = min(count, len(values))
    positions = np.argpartition(-values, count - 1)[:count]
    # By value, then position: equal candidates must not depend on how the partition happened to fall.
    order = positions[np.lexsort((positions, -values[positions]))]
    return [(int(position), float(values[position])) for position in order if np.isfinite(values[position])]

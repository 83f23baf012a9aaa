"""What a sequence does with the logits of its rows: one scored or sampled row, or the rows of a beam search.

Pure: logits in, the next tokens and the parents of each row out. Knows nothing of slots or sessions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.domain import Array, FinishReason, Sampling
from service.engine.contracts import Hypothesis, Token
from service.engine.sampling import Sampler, length_penalty, most_probable


@dataclass(frozen=True, slots=True)
class RowScores:
    """The logits [rows, vocabulary] of one sequence's rows, with what is computed for the whole batch at once:
    the position of each row's largest logit and the logarithm of its normaliser.
    """

    logits: Array
    best: Array
    log_normaliser: Array


@dataclass(frozen=True, slots=True)
class Advance:
    """What comes next: the token to feed to each row, and which row's state each row goes on from.

    `parents` is None where every row goes on from itself. `result` is there when something is to be told
    to the caller, and `done` when the sequence is over.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...] | None = None
    result: Token | Hypothesis | None = None
    done: bool = False


class Decoder(Protocol):
    """A way to go from logits to tokens, with the number of rows that it needs."""

    @property
    def width(self) -> int:
        """How many rows the sequence takes."""

    def advance(self, scores: RowScores) -> Advance:
        """Take the logits after everything fed so far."""


class SampledSequence:
    """One row whose tokens are told as they are chosen."""

    width = 1

    def __init__(self, sampling: Sampling, max_new_tokens: int, end_id: int | None) -> None:
        self._sampler = Sampler(sampling)
        self._top = sampling.logprobs or 0
        self._left = max_new_tokens
        self._end_id = end_id

    def advance(self, scores: RowScores) -> Advance:
        """Choose one token; raises ArithmeticError if the logits are not numbers."""
        normaliser = _normaliser(scores)
        token = self._sampler.choose(scores.logits[0], int(scores.best[0]))
        self._left -= 1
        reason: FinishReason | None = None
        if token == self._end_id:
            reason = "stop"
        elif self._left == 0:
            reason = "length"
        told = _told(token, scores.logits[0], normaliser, self._top, reason)
        return Advance((token,), result=told, done=reason is not None)


class ScoredTokens:
    """One row whose next tokens are given: each is told with its log-probability, and then `after` goes on.

    Without `after` the last of them ends the sequence (`length`). There is at least one.
    """

    width = 1

    def __init__(self, given: Sequence[int], top: int, after: Decoder | None) -> None:
        self._given = deque(given)
        self._top = top
        self._after = after

    def advance(self, scores: RowScores) -> Advance:
        """Tell the next token that is given; raises ArithmeticError if the logits are not numbers."""
        if not self._given:
            assert self._after is not None, "a sequence that has ended is not continued"
            return self._after.advance(scores)
        normaliser = _normaliser(scores)
        token = self._given.popleft()
        done = not self._given and self._after is None
        told = _told(token, scores.logits[0], normaliser, self._top, "length" if done else None)
        return Advance((token,), result=told, done=done)


def continued(scored: Sequence[int], sampling: Sampling, max_new_tokens: int, end_id: int | None) -> Decoder:
    """Return the decoder that tells `scored` first, if anything, and then up to `max_new_tokens` that it chooses."""
    sampled = SampledSequence(sampling, max_new_tokens, end_id) if max_new_tokens else None
    if scored:
        return ScoredTokens(scored, sampling.logprobs or 0, sampled)
    assert sampled is not None, "there is something to tell"
    return sampled


def _normaliser(scores: RowScores) -> float:
    normaliser = float(scores.log_normaliser[0])
    if not math.isfinite(normaliser):
        raise ArithmeticError("the model gave logits that are not numbers")
    return normaliser


def _told(token: int, logits: Array, normaliser: float, top: int, reason: FinishReason | None) -> Token:
    logprob = float(logits[token]) - normaliser
    return Token(token, logprob, reason, top=most_probable(logits, normaliser, top))


class BeamSearch:
    """The `beams` most probable continuations, extended side by side; the best finished one is told.

    Ends when as many hypotheses as beams have finished, or after `max_new_tokens`. Hypotheses compare by
    log-probability divided by the length penalty of Wu et al. 2016, the end token counted.
    """

    def __init__(self, beams: int, alpha: float, max_new_tokens: int, end_id: int | None) -> None:
        self.width = beams
        self._alpha = alpha
        self._left = max_new_tokens
        self._end_id = end_id
        self._tokens: list[tuple[int, ...]] = [()] * beams
        # All rows start alike: only the first may be extended, or they would stay alike.
        self._logprobs = np.full(beams, -np.inf)
        self._logprobs[0] = 0.0
        self._finished: list[Hypothesis] = []

    def advance(self, scores: RowScores) -> Advance:
        """Extend every beam by one token and keep the best; raises ArithmeticError if no logit is a number."""
        self._left -= 1
        extended = self._logprobs[:, None] + (scores.logits - scores.log_normaliser[:, None])
        parents, tokens = self._extend(extended)
        if not tokens and not self._finished:
            raise ArithmeticError("the model gave logits that are not numbers")
        if len(self._finished) >= self.width or not tokens:
            return Advance((), result=self._best(self._finished), done=True)
        if self._left == 0:
            live = [
                self._hypothesis(beam, float(logprob), "length")
                for beam, logprob in zip(self._tokens, self._logprobs, strict=True)
                if np.isfinite(logprob)
            ]
            return Advance((), result=self._best(self._finished or live), done=True)
        return Advance(tokens, parents)

    def _extend(self, extended: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        vocabulary = extended.shape[1]
        parents: list[int] = []
        tokens: list[int] = []
        logprobs: list[float] = []
        # Twice as many candidates as beams: even if each beam's end token is among them, enough are left.
        for rank, (candidate, logprob) in enumerate(_largest(extended.ravel(), 2 * self.width)):
            parent, token = divmod(candidate, vocabulary)
            if token == self._end_id:
                if rank < self.width:
                    self._finished.append(self._hypothesis(self._tokens[parent], logprob, "stop"))
            elif len(tokens) < self.width:
                parents.append(parent)
                tokens.append(token)
                logprobs.append(logprob)
        short = self.width - len(tokens)
        self._tokens = [
            (*self._tokens[parent], token) for parent, token in zip(parents, tokens, strict=True)
        ] + [()] * short
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

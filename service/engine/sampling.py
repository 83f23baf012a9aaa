"""Choose the next token of one sequence from its logits.

Pure arithmetic on one row; knows nothing of slots, streams or other rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from service.domain import Array, Sampling


class Sampler:
    """Greedy, or sampled by temperature, top-k and top-p (Holtzman et al. 2020), with its own random stream.

    Bias and penalties come first, so greedy choice heeds them as well. One random number is drawn for each
    sampled token, so the text depends on the seed and the logits alone.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)
        self._penal = sampling.presence_penalty != 0.0 or sampling.frequency_penalty != 0.0
        self._counts: Counter[int] = Counter()

    def choose(self, logits: Array, best: int) -> int:
        """Return a token id for `logits` [vocabulary], whose largest is at `best`."""
        if not self._penal and not self._sampling.logit_bias:
            return self._draw(logits, best)
        changed = adjusted(logits, self._sampling, self._counts)
        token = self._draw(changed, int(changed.argmax()))
        if self._penal:
            self._counts[token] += 1
        return token

    def _draw(self, logits: Array, best: int) -> int:
        sampling = self._sampling
        if sampling.temperature == 0.0 or sampling.top_k == 1:
            return best
        scaled = (logits.astype(np.float64) - float(logits[best])) / sampling.temperature
        candidates = _top_k(logits, sampling.top_k)
        weights = np.exp(scaled[candidates])
        candidates, weights = _top_p(candidates, weights, sampling.top_p)
        cumulative = np.cumsum(weights)
        drawn = self._random.random() * cumulative[-1]
        return int(candidates[min(np.searchsorted(cumulative, drawn, side="right"), len(candidates) - 1)])


def adjusted(logits: Array, sampling: Sampling, counts: Mapping[int, int]) -> Array:
    """Return `logits` [vocabulary] in float64 after bias and penalties; `counts` has the tokens generated so far.

    From the logit of each token that was generated `c` times, c > 0, `presence_penalty` and
    c * `frequency_penalty` are taken (OpenAI, "Frequency and presence penalties").
    """
    changed: Array = logits.astype(np.float64)
    if sampling.logit_bias:
        biased, biases = zip(*sampling.logit_bias, strict=True)
        np.add.at(changed, np.array(biased, np.intp), biases)
    if counts:
        made = np.fromiter(counts.keys(), np.intp, len(counts))
        often = np.fromiter(counts.values(), np.float64, len(counts))
        changed[made] -= sampling.presence_penalty + often * sampling.frequency_penalty
    return changed


def most_probable(logits: Array, log_normaliser: float, count: int) -> tuple[tuple[int, float], ...]:
    """Return ids and log-probabilities of the `count` largest of `logits` [vocabulary], largest first.

    Ties go to the lower id.
    """
    count = min(count, len(logits))
    if count == 0:
        return ()
    # All that are as large as the last one to be kept: a partition alone would choose among equals by chance.
    candidates = np.flatnonzero(logits >= np.partition(logits, -count)[-count])
    order = candidates[np.argsort(-logits[candidates], kind="stable")][:count]
    return tuple((int(token), float(logits[token]) - log_normaliser) for token in order)


def log_normalisers(logits: Array) -> Array:
    """Return log(sum(exp(row))) for each row of `logits` [rows, vocabulary], in float64."""
    highest = logits.max(axis=1, keepdims=True)
    total = np.exp(logits.astype(np.float64) - highest).sum(axis=1)
    result: Array = np.log(total) + highest[:, 0]
    return result


def _top_k(logits: Array, top_k: int) -> Array:
    """Return the ids of the `top_k` largest, largest first; ties go to the lower id."""
    order = np.argsort(-logits, kind="stable")
    return order[:top_k] if top_k else order


def _top_p(candidates: Array, weights: Array, top_p: float) -> tuple[Array, Array]:
    """Keep the smallest head of `candidates` whose share of all weight reaches `top_p`."""
    if top_p >= 1.0:
        return candidates, weights
    cumulative = np.cumsum(weights)
    kept = int(np.searchsorted(cumulative, top_p * cumulative[-1], side="left")) + 1
    return candidates[:kept], weights[:kept]


def length_penalty(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14)."""
    return math.pow((5.0 + length) / 6.0, alpha)

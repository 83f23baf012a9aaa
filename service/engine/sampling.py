"""Choose the next token of one sequence from its logits.

Pure arithmetic on one row; knows nothing of slots, streams or other rows.
"""

from __future__ import annotations

import math

import numpy as np

from service.domain import Array, Sampling


class Sampler:
    """Greedy, or sampled by temperature, top-k and top-p (Holtzman et al. 2020), with its own random stream.

    One random number is drawn for each sampled token, so the text depends on the seed and the logits alone.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def choose(self, logits: Array, best: int) -> int:
        """Return a token id for `logits` [vocabulary], whose largest is at `best`."""
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

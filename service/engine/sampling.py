"""Choose the next tokens of many sequences from their logits, each as if it were alone.

Pure arithmetic on rows; knows nothing of slots, streams or steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from service.domain import Array, Sampling

HEAD = 128
"""So many of the largest are looked at first: most of what top-k, min-p and top-p leave is less."""


SMALL_VOCABULARY = 256
"""Up to here, adding up everything costs less than finding the stretch that matters."""


class Sampler:
    """What one sequence asks of sampling, its own random stream, and how often it has seen each token.

    While it is `held` nothing is drawn and nothing counted: the tokens are given from elsewhere.
    One random number is drawn for each sampled token, so the text depends on the seed and the logits alone.
    """

    def __init__(self, sampling: Sampling, prompt: Sequence[int] = ()) -> None:
        self.sampling = sampling
        self.greedy = sampling.temperature == 0.0 or sampling.top_k == 1
        self.truncates = sampling.top_k > 0 or sampling.top_p < 1.0 or sampling.min_p > 0.0
        self.penal = (
            sampling.presence_penalty != 0.0
            or sampling.frequency_penalty != 0.0
            or sampling.repetition_penalty != 1.0
        )
        self.plain = self.greedy and not self.adjusts
        self._prompt = prompt
        # To seed a stream takes longer than a step of a small model does for a row; the greedy need none.
        self._random = None if self.greedy else np.random.default_rng(sampling.seed)
        self._counts: Array | None = None
        self.held = False

    @property
    def adjusts(self) -> bool:
        """Whether `adjust` changes anything."""
        return self.penal or bool(self.sampling.logit_bias)

    def draw(self) -> float:
        """Return the next number of the random stream, 0 <= x < 1."""
        return 0.0 if self.held or self._random is None else self._random.random()

    def adjust(self, logits: Array) -> None:
        """Change `logits` [vocabulary], float64, in place: bias first, then penalties.

        The logit of each token of the prompt or of what was made so far is divided by `repetition_penalty` if
        it is above 0, else multiplied by it (Keskar et al. 2019, CTRL). From that of each token that was made
        `c` times, c > 0, `presence_penalty` and c * `frequency_penalty` are taken (OpenAI, "Frequency and
        presence penalties").
        """
        sampling = self.sampling
        if sampling.logit_bias:
            biased, biases = zip(*sampling.logit_bias, strict=True)
            np.add.at(logits, np.array(biased, np.intp), biases)
        if not self.penal:
            return
        counts = self._counts_of(len(logits))
        if sampling.repetition_penalty != 1.0:
            seen = np.union1d(np.asarray(self._prompt, np.intp), np.flatnonzero(counts))
            penalty = sampling.repetition_penalty
            logits[seen] = np.where(logits[seen] > 0, logits[seen] / penalty, logits[seen] * penalty)
        logits -= (counts > 0) * sampling.presence_penalty + counts * sampling.frequency_penalty

    def count(self, token: int) -> None:
        """Take note of a token that was made."""
        if self._counts is not None and not self.held:
            self._counts[token] += 1

    def _counts_of(self, vocabulary: int) -> Array:
        if self._counts is None:
            self._counts = np.zeros(vocabulary, np.int64)
        return self._counts


class SamplerGroup:
    """Chooses for the same rows step after step: greedy, or by temperature, top-k, min-p (Nguyen et al. 2024) and
    top-p (Holtzman et al. 2020). A row's choice does not depend on the others.

    Bias and penalties come first, so a greedy choice heeds them as well; then the largest `top_k`, of them those
    that are at least `min_p` times as probable as the first, of them the smallest head that reaches `top_p`.
    """

    def __init__(self, samplers: Sequence[Sampler]) -> None:
        if all(sampler.plain for sampler in samplers):
            samplers = ()
        self._samplers = samplers
        self._adjusted = [row for row, sampler in enumerate(samplers) if sampler.adjusts]
        drawn = [row for row, sampler in enumerate(samplers) if not sampler.greedy]
        truncated = [row for row in drawn if samplers[row].truncates]
        whole = [row for row in drawn if not samplers[row].truncates]
        self._truncated = _Draw(samplers, truncated) if truncated else None
        self._whole = _Draw(samplers, whole) if whole else None

    def choose(self, logits: Array, best: Array) -> Array:
        """Return a token id for each row of `logits` [rows, vocabulary], whose largest are at `best` [rows]."""
        if not self._samplers:
            return best
        tokens = best.copy()
        if self._adjusted:
            logits = logits.astype(np.float64)
            for row in self._adjusted:
                self._samplers[row].adjust(logits[row])
            tokens[self._adjusted] = logits[self._adjusted].argmax(axis=1)
        if self._whole is not None:
            tokens[self._whole.places] = self._whole.from_all(logits, tokens)
        if self._truncated is not None:
            tokens[self._truncated.places] = self._truncated.from_head(logits, tokens)
        for row in self._adjusted:
            self._samplers[row].count(int(tokens[row]))
        return tokens


class _Draw:
    """The rows of a group that are drawn in one way."""

    def __init__(self, samplers: Sequence[Sampler], rows: list[int]) -> None:
        self.places = slice(None) if len(rows) == len(samplers) else np.array(rows, np.intp)
        self._samplers = [samplers[row] for row in rows]
        self._order = np.arange(len(rows))
        each = [sampler.sampling for sampler in self._samplers]
        self._temperature = np.array([[one.temperature] for one in each], np.float32)
        self._top_k = np.array([one.top_k or np.iinfo(np.int64).max for one in each], np.int64)[:, None]
        self._top_p = np.array([[one.top_p] for one in each])
        self._min_p = np.array([[one.min_p] for one in each], np.float32)
        self._limited = np.array([one.top_k > 0 or one.min_p > 0 for one in each], bool)

    def from_all(self, logits: Array, best: Array) -> Array:
        """Draw from the whole vocabulary."""
        return self._pick(self._weights(logits, best))

    def from_head(self, logits: Array, best: Array) -> Array:
        """Draw from what top-k, min-p and top-p leave; of equals at the edge, the lower ids are left."""
        weights = self._weights(logits, best)
        vocabulary = weights.shape[1]
        edges, counts = self._edges(weights, self._order, min(HEAD, vocabulary))
        dropped = weights < edges[:, None]
        weights[dropped] = 0.0
        crowded = np.flatnonzero(vocabulary - np.count_nonzero(dropped, axis=1) > counts)
        if len(crowded):
            # Logits so close that their weights are equal are told apart here.
            mine = logits[self.places]
            for row in crowded:
                weights[row, np.argsort(-mine[row], kind="stable")[counts[row] :]] = 0.0
        return self._pick(weights)

    def _edges(self, weights: Array, rows: Array, count: int) -> tuple[Array, Array]:
        """Return the least weight of each row that is left and how many are, looking at the `count` largest first."""
        vocabulary = weights.shape[1]
        part = weights if count == vocabulary else np.partition(weights, vocabulary - count, axis=1)
        ranked = np.sort(part[:, vocabulary - count :], axis=1)[:, ::-1]
        top_k = self._top_k[rows]
        dropped = (np.arange(count) >= top_k) | (ranked < self._min_p[rows])
        cumulative = np.cumsum(np.where(dropped, np.float32(0.0), ranked), axis=1, dtype=np.float64)
        # The last of those looked at is not the last there is, unless top-k or min-p says so.
        total = np.where(dropped[:, -1], cumulative[:, -1], weights.sum(axis=1, dtype=np.float64))
        wanted = (self._top_p[rows, 0] * total)[:, None]
        last = (cumulative[:, :-1] < wanted).sum(axis=1)
        last = np.minimum(last, np.maximum(1, (~dropped).sum(axis=1)) - 1)
        edges: Array = ranked[np.arange(len(ranked)), last]
        counts = last + 1
        short = ~dropped[:, -1] & (self._limited[rows] | (cumulative[:, -1] < wanted[:, 0]))
        if count < vocabulary and short.any():
            edges[short], counts[short] = self._edges(weights[short], rows[short], vocabulary)
        return edges, counts

    def _weights(self, logits: Array, best: Array) -> Array:
        """Return each row's probabilities in multiples of the largest one's."""
        mine = logits[self.places].astype(np.float32)
        mine -= mine[self._order, best[self.places]][:, None]
        mine /= self._temperature
        return np.exp(mine, out=mine)

    def _pick(self, weights: Array) -> Array:
        """Draw one token a row; of a large vocabulary, first the stretch that it is in, then the token."""
        vocabulary = weights.shape[1]
        numbers = np.array([sampler.draw() for sampler in self._samplers])
        if vocabulary <= SMALL_VOCABULARY:
            cumulative = np.cumsum(weights, axis=1, dtype=np.float64)
            return _first_beyond(cumulative, numbers * cumulative[:, -1])
        length = math.isqrt(vocabulary)
        starts = np.arange(0, vocabulary, length)
        stretches = np.cumsum(np.add.reduceat(weights, starts, axis=1), axis=1, dtype=np.float64)
        drawn = numbers * stretches[:, -1]
        stretch = _first_beyond(stretches, drawn)
        before = np.where(stretch > 0, stretches[self._order, stretch - 1], 0.0)
        places = starts[stretch][:, None] + np.arange(length)
        inside = np.minimum(places, vocabulary - 1)
        mine = np.where(places < vocabulary, weights[self._order[:, None], inside], 0.0)
        picked: Array = starts[stretch] + _first_beyond(np.cumsum(mine, axis=1), drawn - before)
        return picked


def _first_beyond(cumulative: Array, drawn: Array) -> Array:
    """Return the first place of each row whose cumulative weight is beyond what was drawn."""
    # Rounding must not reach the total: behind it only places of no weight are left.
    capped = np.minimum(drawn, np.nextafter(cumulative[:, -1], 0.0))
    first: Array = (cumulative > capped[:, None]).argmax(axis=1)
    return first


def _largest(logits: Array, count: int) -> Array:
    """Return the ids of the `count` largest, largest first; ties go to the lower id."""
    count = min(count, len(logits))
    # All that are as large as the last one to be kept: a partition alone would choose among equals by chance.
    candidates = np.flatnonzero(logits >= np.partition(logits, -count)[-count])
    return candidates[np.argsort(-logits[candidates], kind="stable")][:count]


def most_probable(logits: Array, log_normaliser: float, count: int) -> tuple[tuple[int, float], ...]:
    """Return ids and log-probabilities of the `count` largest of `logits` [vocabulary], largest first.

    Ties go to the lower id.
    """
    if count == 0:
        return ()
    return tuple((int(token), float(logits[token]) - log_normaliser) for token in _largest(logits, count))


def log_normalisers(logits: Array) -> Array:
    """Return log(sum(exp(row))) for each row of `logits` [rows, vocabulary], in float64."""
    highest = logits.max(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = np.subtract(logits, highest[:, None])
    total = np.exp(shifted, out=shifted).sum(axis=1)
    result: Array = np.log(total.astype(np.float64)) + highest
    return result


def length_penalty(length: int, alpha: float) -> float:
    """Return ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14)."""
    return math.pow((5.0 + length) / 6.0, alpha)

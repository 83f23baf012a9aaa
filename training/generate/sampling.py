"""How the next of a text is drawn, and how much the text repeats itself then.

Knows logits, ids and words; knows no model. Serving has its own sampler, which knows more ways and is faster; both draw
from the same probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS = 4
Logits = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to draw: `temperature` 0 takes the likeliest; `top_k` 0 and `top_p` 1 keep all."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def probabilities(self, logits: Logits) -> Logits:
        """Return what each of `logits` [vocabulary] is drawn with.

        After the temperature the `top_k` largest stay, and of them the fewest that reach `top_p` together (Fan et al.
        2018; Holtzman et al. 2020).
        """
        if self.temperature == 0:
            return np.asarray(np.eye(len(logits))[int(logits.argmax())])
        odds = np.exp((logits.astype(np.float64) - logits.max()) / self.temperature)
        order = np.argsort(-odds, kind="stable")
        if self.top_k:
            odds[order[self.top_k :]] = 0
        before = np.cumsum(odds[order]) - odds[order]
        odds[order[before >= self.top_p * odds.sum()]] = 0
        return np.asarray(odds / odds.sum())

    def draw(self, logits: Logits, rng: np.random.Generator) -> int:
        """Return an index of `logits` [vocabulary]."""
        found = self.probabilities(logits)
        return min(int(np.searchsorted(np.cumsum(found), rng.random(), side="right")), len(found) - 1)


def repetition(text: str) -> float:
    """Return the share of runs of four words that came before in the text (seq-rep-4, Welleck et al. 2020)."""
    words = text.split()
    runs = [tuple(words[place : place + WORDS]) for place in range(len(words) - WORDS + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def variety(text: str) -> float:
    """Return how many different words there are for each word of the text; 0 of a text without words."""
    words = text.split()
    return len(set(words)) / len(words) if words else 0.0

"""How well probabilities agree with what happens: the expected calibration error (Guo et al. 2017).

Pure functions of arrays; knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about one confidence: their share of all, and the means of confidence and of being right."""

    share: float
    confidence: float
    accuracy: float


def bins(probabilities: NDArray[np.floating], classes: NDArray[np.integer]) -> list[Bin]:
    """Return the bins of equal width that have rows; `probabilities` is [rows, labels], `classes` [rows]."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == classes
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(float(chosen.mean()), float(confidence[chosen].mean()), float(right[chosen].mean()))
        for chosen in (place == each for each in range(BINS))
        if chosen.any()
    ]


def error(found: list[Bin]) -> float:
    """Return the mean difference of confidence and accuracy, each bin weighing as its rows do."""
    return sum(each.share * abs(each.confidence - each.accuracy) for each in found)


def points(found: list[Bin]) -> list[tuple[float, float]]:
    """Return confidence and accuracy of each bin, to be drawn."""
    return [(each.confidence, each.accuracy) for each in found]

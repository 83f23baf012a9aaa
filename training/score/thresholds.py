"""Above which score a row is an anomaly: three ways to choose.

Pure functions of scores; knows no model. A verdict is `score > threshold`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Truth = NDArray[np.bool_]


def of_deviations(normal: Scores, deviations: float) -> float:
    """Return the mean of normal scores and so many standard deviations above it."""
    return float(normal.mean() + deviations * normal.std())


def of_quantile(normal: Scores, quantile: float) -> float:
    """Return the score that a share `quantile` of the normal ones does not exceed."""
    return float(np.quantile(normal, quantile))


def of_best_f1(scores: Scores, anomalous: Truth) -> float:
    """Return the threshold that gives the best F1 on labelled scores, in the middle of two of them; of equals the highest.

    F1 is 2 found / (alarms + anomalous). There must be an anomalous row.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, found = scores[order].astype(np.float64), np.cumsum(anomalous[order])
    quality = 2 * found / (np.arange(1, len(order) + 1) + anomalous.sum())
    # Rows of one score are alarms together: only the last of them can be a cut.
    quality[:-1][ordered[:-1] == ordered[1:]] = -1
    last = int(quality.argmax())
    below = ordered[last + 1] if last + 1 < len(ordered) else ordered[last] - 1
    return float((ordered[last] + below) / 2)


def f1(scores: Scores, anomalous: Truth, threshold: float) -> float:
    """Return the F1 of the verdicts; 0 if there is nothing to find and no alarm."""
    alarms = scores > threshold
    return float(2 * (alarms & anomalous).sum() / max(alarms.sum() + anomalous.sum(), 1))

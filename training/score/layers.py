"""The parts of an autoencoder that make it usable on its own: scaling before it, the verdict behind it.

Knows tensors only. What is measured on training data is kept as weights, so that it is saved, restored
and exported with the model.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


class Scaling(keras.layers.Layer):
    """Take features [batch, features] from their units to mean 0 and deviation 1, and back."""

    def build(self, shape: tuple[int | None, int]) -> None:
        """Make the two weights."""
        self.mean = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(
            shape=shape[1:], initializer="ones", trainable=False, name="deviation"
        )

    def measure(self, rows: Values) -> None:
        """Set mean and deviation to those of `rows`; a feature that never varies is left unscaled."""
        deviation = rows.std(axis=0, dtype=np.float64)
        self.mean.assign(rows.mean(axis=0, dtype=np.float64))
        self.deviation.assign(np.where(deviation > 0, deviation, 1.0))

    def call(self, values: Any, *, back: bool = False) -> Any:
        """Return features scaled, or scaled values in the units of the features (`back`)."""
        return values * self.deviation + self.mean if back else (values - self.mean) / self.deviation


class Verdict(keras.layers.Layer):
    """Compare scaled features with what the autoencoder made of them.

    `residual` is the usual size of a feature's error on normal rows, 1 while training. A feature
    contributes its squared error in units of that, divided by the number of features; the score is the
    sum. So a feature that is always rebuilt well counts as soon as it is not (the Mahalanobis distance
    with a diagonal covariance), and a normal row scores about 1.
    """

    def build(self, shape: tuple[int | None, int]) -> None:
        """Make the two weights."""
        self.residual = self.add_weight(shape=shape[1:], initializer="ones", trainable=False, name="residual")
        self.threshold = self.add_weight(shape=(), initializer="zeros", trainable=False, name="threshold")

    def call(self, scaled: Any, rebuilt: Any) -> dict[str, Any]:
        """Return `contributions` [batch, features]; `score`, `is_anomaly` and `threshold` [batch]."""
        contributions = ops.square((scaled - rebuilt) / self.residual) / scaled.shape[1]
        score = ops.sum(contributions, axis=1)
        return {
            "contributions": contributions,
            "score": score,
            "is_anomaly": ops.greater(score, self.threshold),
            "threshold": ops.zeros_like(score) + self.threshold,
        }

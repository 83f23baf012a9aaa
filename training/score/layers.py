"""The verdict of an autoencoder, behind it in the model.

Knows tensors only. What is measured on training data is kept as weights, so that it is saved, restored
and exported with the model.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


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

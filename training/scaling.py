"""Take features from their own units to mean 0 and deviation 1, and back, inside a model.

Knows tensors only. Mean and deviation are weights, so that they are saved, restored and exported with the model.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


class Scaling(keras.layers.Layer):
    """Scale features [batch, features]; `measure` sets by what, before training."""

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

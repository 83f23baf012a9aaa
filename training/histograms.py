"""Histograms of a model's weights for TensorBoard, every so many epochs.

Knows names and values of weights, nothing of layers: a network that is none of Keras' has them too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


class Histograms(keras.callbacks.Callback):
    """Write the histograms of all weights into `directory` after each `every` epochs; steps count from 0 as Keras' do."""

    def __init__(self, directory: Path, every: int) -> None:
        super().__init__()
        self._directory, self._every = directory, every
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras passes it
        """Write the histograms if it is time."""
        if (epoch + 1) % self._every:
            return
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._directory))
        with self._writer.as_default(step=epoch):
            for name, values in named_weights(self.model):
                tf.summary.histogram(name, values)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras passes it
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def named_weights(model: Any) -> Iterable[tuple[str, Any]]:
    """Return the weights of a model by name: of Keras, or a dictionary of arrays."""
    if isinstance(model.weights, dict):
        return model.weights.items()
    return [(each.path, keras.ops.convert_to_numpy(each)) for each in model.weights]

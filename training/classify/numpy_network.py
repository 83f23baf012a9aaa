"""A network of dense layers in NumPy alone: forward, backward, and stochastic gradient descent with momentum.

Knows `numpy_layers` and the file of its weights; knows no data and no framework. It has what the harness uses of a
Keras model: `optimizer`, `stop_training`, `save_weights` and `load_weights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from training.classify.numpy_layers import (
    Floats,
    cross_entropy,
    dense,
    dense_gradients,
    dropout,
    relu,
    relu_gradient,
    softmax,
)

Classes = NDArray[np.integer[Any]]
Weights = dict[str, NDArray[np.float32]]


class Momentum:
    """Stochastic gradient descent with momentum (Polyak 1964): v = m v - rate g, then w = w + v."""

    def __init__(self, learning_rate: float, momentum: float) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.iterations = 0
        self.velocities: Weights = {}

    def build(self, weights: Iterable[str]) -> None:
        """Nothing is to be made before velocities are loaded; Keras' optimizers must be told."""

    def apply(self, weights: Weights, gradients: Weights) -> None:
        """Change `weights` in place."""
        for name, gradient in gradients.items():
            velocity = self.velocities.get(name, np.zeros_like(gradient))
            self.velocities[name] = self.momentum * velocity - self.learning_rate * gradient
            weights[name] += self.velocities[name]
        self.iterations += 1


class Network:
    """Dense layers of the given widths, ReLU between them; the last layer's outputs are logits.

    `widths` begins with the number of inputs. Weights are drawn with variance 2/n (He et al. 2015).
    """

    def __init__(self, widths: Sequence[int], *, dropout_rate: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.depth = len(widths) - 1
        self.weights: Weights = {}
        for layer, (inputs, outputs) in enumerate(pairwise(widths)):
            drawn = generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
            self.weights[f"weights_{layer}"] = drawn.astype(np.float32)
            self.weights[f"bias_{layer}"] = np.zeros(outputs, np.float32)
        self.optimizer = Momentum(0.0, 0.0)
        self.stop_training = False
        self._dropout_rate = dropout_rate

    @property
    def trainable_variables(self) -> list[str]:
        """The names of the weights."""
        return list(self.weights)

    def count_params(self) -> int:
        """Return how many numbers are learnt."""
        return sum(value.size for value in self.weights.values())

    def logits(self, inputs: Floats) -> Floats:
        """Return [batch, labels] of inputs [batch, n]."""
        for layer in range(self.depth):
            hidden = dense(inputs, self.weights[f"weights_{layer}"], self.weights[f"bias_{layer}"])
            inputs = relu(hidden) if layer + 1 < self.depth else hidden
        return inputs

    def probabilities(self, inputs: Floats) -> Floats:
        """Return [batch, labels] that sum to 1."""
        return softmax(self.logits(inputs))

    def gradients(
        self, inputs: Floats, classes: Classes, generator: np.random.Generator
    ) -> tuple[float, float, Weights]:
        """Return loss, accuracy and the gradient of every weight for one batch, with dropout drawn anew."""
        hidden, activations, scales = [], [inputs], []
        for layer in range(self.depth):
            weights, bias = self.weights[f"weights_{layer}"], self.weights[f"bias_{layer}"]
            hidden.append(dense(activations[-1], weights, bias))
            if layer + 1 < self.depth:
                kept, scale = dropout(relu(hidden[-1]), self._dropout_rate, generator)
                activations.append(kept)
                scales.append(scale)
        loss, upstream = cross_entropy(hidden[-1], classes)
        accuracy = float((hidden[-1].argmax(axis=1) == classes).mean())
        found: Weights = {}
        for layer in reversed(range(self.depth)):
            if layer + 1 < self.depth:
                upstream = relu_gradient(hidden[layer], upstream * scales[layer])
            weights = self.weights[f"weights_{layer}"]
            upstream, found[f"weights_{layer}"], found[f"bias_{layer}"] = dense_gradients(
                activations[layer], weights, upstream
            )
        return loss, accuracy, found

    def save_weights(self, path: Path) -> None:
        """Write the weights, and the optimizer's rate, count and velocities, as HDF5."""
        with h5py.File(path, "w") as file:
            for name, value in self.weights.items():
                file[f"weights/{name}"] = value
            for name, value in self.optimizer.velocities.items():
                file[f"velocities/{name}"] = value
            file.attrs["learning_rate"] = self.optimizer.learning_rate
            file.attrs["iterations"] = self.optimizer.iterations

    def load_weights(self, path: Path) -> None:
        """Read what `save_weights` wrote; raises ValueError if it is of a network of another shape."""
        with h5py.File(path, "r") as file:
            read = {name: file["weights"][name][()] for name in file.get("weights", ())}
            if {name: value.shape for name, value in read.items()} != {
                name: value.shape for name, value in self.weights.items()
            }:
                raise ValueError(f"the weights in {path.name} are of a network of another shape")
            self.weights = read
            velocities = file.get("velocities", {})
            self.optimizer.velocities = {name: velocities[name][()] for name in velocities}
            self.optimizer.learning_rate = float(file.attrs["learning_rate"])
            self.optimizer.iterations = int(file.attrs["iterations"])

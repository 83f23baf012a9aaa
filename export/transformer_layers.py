"""Parts of a Transformer's graphs: their weights as Keras keeps them, and the nodes that are the same in encoder and step.

Knows layers of `training.translate.transformer`; knows nothing of files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.handmade import Builder

Array = NDArray[Any]
Dense = tuple[Array, Array]
"""Kernel [in, out] and bias [out]; of a normalisation, its factor and its offset."""

FAR = np.array(1e9, np.float32)
ONE = np.array(1, np.float32)


def dense_of(layer: Any) -> Dense:
    """Read the two weights of a layer."""
    first, second = layer.get_weights()
    return first, second


def query_of(attention: Any) -> Dense:
    """Read the query's weights with the factor 1/sqrt(D) multiplied in."""
    kernel, bias = dense_of(attention.query)
    factor = np.float32(attention.depth**-0.5)
    return kernel * factor, bias * factor


def beside(*parts: Dense) -> Dense:
    """Return layers of one input as one, whose outputs lie side by side."""
    kernels, biases = zip(*parts, strict=True)
    return np.concatenate(kernels, axis=1), np.concatenate(biases)


class Layers:
    """Adds layers over the rows of a matrix [rows, width] to the graph that `build` makes."""

    def __init__(self, build: Builder, epsilon: float) -> None:
        self._build = build
        self._epsilon = epsilon

    def normalise(self, x: str, weights: Dense) -> str:
        """Add a layer normalisation."""
        factor, offset = (self._build.constant(part) for part in weights)
        return self._build.node("LayerNormalization", x, factor, offset, axis=-1, epsilon=self._epsilon)

    def dense(self, x: str, weights: Dense) -> str:
        """Add a product with a kernel, and a bias."""
        kernel, bias = (self._build.constant(part) for part in weights)
        return self._build.node("Gemm", x, kernel, bias)

    def feed_forward(self, x: str, norm: Dense, inner: Dense, outer: Dense) -> str:
        """Add two dense layers with a ReLU between them to what came in."""
        hidden = self._build.node("Relu", self.dense(self.normalise(x, norm), inner))
        return self._build.node("Add", x, self.dense(hidden, outer))

    def bias(self, mask: str) -> str:
        """Add what is added to the scores over the tokens of `mask` [B,K]: 0, or far below it; [B,1,1,K]."""
        build = self._build
        masked = build.node("Mul", build.node("Sub", mask, build.constant(ONE)), build.constant(FAR))
        return build.node("Unsqueeze", masked, build.ints(1, 2))

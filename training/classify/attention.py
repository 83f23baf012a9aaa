"""Attention that reads a sentence into one vector, and says how much each word had a part in it.

Knows tensors only. B rows, T words, W numbers a word. Masked words get the weight 0, whichever side they stand on.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

FAR = -1e9
"""What is added to a score that shall not count: its share is 0 in 32 bits."""


@keras.saving.register_keras_serializable(package="sluice")
class AdditiveAttention(layers.Layer):
    """Self-attention with one learnt question: softmax(v . tanh(W h + b)) (Bahdanau et al. 2015; Lin et al. 2017)."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.supports_masking = True

    def build(self, shape: tuple[int | None, int | None, int]) -> None:
        """Make the three weights."""
        wide, narrow = (shape[-1], self.units), (self.units, 1)
        self.kernel = self.add_weight(shape=wide, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.question = self.add_weight(shape=narrow, initializer="glorot_uniform", name="question")

    def call(self, words: Any, mask: Any = None) -> tuple[Any, Any]:
        """Return the words [B,T,W] as one vector [B,W], and the weights [B,T], which add up to 1."""
        scores = ops.matmul(ops.tanh(ops.matmul(words, self.kernel) + self.bias), self.question)[..., 0]
        valid = ops.ones_like(scores) if mask is None else ops.cast(mask, scores.dtype)
        weights = ops.softmax(scores + (1 - valid) * FAR, axis=-1) * valid
        return ops.sum(weights[..., None] * words, axis=1), weights

    def compute_mask(self, words: Any, mask: Any = None) -> tuple[None, None]:  # noqa: ARG002  # see Layer
        """Neither output has words to be masked."""
        return None, None

    def get_config(self) -> dict[str, Any]:
        """Return what it takes to make the layer again."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="sluice")
class MultiHeadReading(layers.Layer):
    """Self-attention of several heads (Vaswani et al. 2017) with a residual, and the mean of all words after it.

    The weight of a word is the mean of what all words and heads gave it.
    """

    def __init__(self, heads: int, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads, self.units = heads, units
        self.supports_masking = True
        self.attend = layers.MultiHeadAttention(heads, units, name="attend")
        self.norm = layers.LayerNormalization(name="norm")

    def build(self, shape: tuple[int | None, int | None, int]) -> None:
        """Build both parts."""
        self.attend.build(shape, shape)
        self.norm.build(shape)

    def call(self, words: Any, mask: Any = None) -> tuple[Any, Any]:
        """Return the words [B,T,W] as one vector [B,W], and the weights [B,T], which add up to 1."""
        valid = ops.ones_like(words[..., 0]) if mask is None else ops.cast(mask, words.dtype)
        seen = ops.cast(valid[:, None, :] * ops.ones_like(valid)[:, :, None], "bool")
        read, scores = self.attend(words, words, attention_mask=seen, return_attention_scores=True)
        count = ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1)
        weights = ops.sum(ops.mean(scores, axis=1) * valid[..., None], axis=1) / count * valid
        mean = ops.sum(self.norm(words + read) * valid[..., None], axis=1) / count
        return mean, weights

    def compute_mask(self, words: Any, mask: Any = None) -> tuple[None, None]:  # noqa: ARG002  # see Layer
        """Neither output has words to be masked."""
        return None, None

    def get_config(self) -> dict[str, Any]:
        """Return what it takes to make the layer again."""
        return {**super().get_config(), "heads": self.heads, "units": self.units}

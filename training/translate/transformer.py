"""An encoder-decoder Transformer (Vaswani et al. 2017, "Attention Is All You Need") with a step for decoding.

Knows token ids and nothing of text. Normalisation comes before each sublayer (Xiong et al. 2020), so that no long
warm-up is needed; positions are sinusoidal; the output layer is the target embedding, transposed.

Shapes: B rows, S source tokens, T target tokens, P past tokens, H heads, D = width / heads. Id 0 is padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

Tensor = Any
FAR = -1e9
EPSILON = 1e-5
POSITIONS = 256
"""The longest sequence whose tokens are numbered."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a Transformer is."""

    source_vocabulary: int
    target_vocabulary: int
    width: int = 128
    heads: int = 8
    feed_forward: int = 256
    depth: int = 2
    dropout: float = 0.0


def sinusoids(positions: int, width: int) -> NDArray[np.float32]:
    """Return the position table [positions, width]: sines in the even columns, cosines in the odd ones."""
    angles = np.arange(positions)[:, None] / 10000 ** (np.arange(0, width, 2)[None, :] / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(positions, width).astype(np.float32)


class Projection(layers.Dense):
    """A dense layer over the last axis of [B,T,in]."""

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Return [B,T,units]."""
        # As one matrix: the gradient of a product with three axes would make one of the weights for each row.
        flat = super().call(ops.reshape(x, (-1, self.kernel.shape[0])), training=training)
        return ops.reshape(flat, (ops.shape(x)[0], ops.shape(x)[1], self.units))


class Attention(layers.Layer):
    """Multi-head attention in two halves, so that keys and values can be kept: `keys_values`, then `call`."""

    def __init__(self, width: int, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.depth = width // heads
        self.query = Projection(width, name="query")
        self.key = Projection(width, name="key")
        self.value = Projection(width, name="value")
        self.output_projection = Projection(width, name="output")

    def _split(self, projected: Tensor, x: Tensor) -> Tensor:
        # Rows and time are read from x: tf2onnx merges the two reshapes around a projection into one, after which
        # the shape of what lay between them is another.
        shape = (ops.shape(x)[0], ops.shape(x)[1], self.heads, self.depth)
        return ops.transpose(ops.reshape(projected, shape), (0, 2, 1, 3))

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values [B,H,T,D] of x [B,T,width]."""
        return self._split(self.key(x), x), self._split(self.value(x), x)

    def call(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """Attend from x [B,T,width]; `bias` [B,1,1 or T,keys] is 0 where a key may be seen and `FAR` elsewhere."""
        query = self._split(self.query(x), x) * (self.depth**-0.5)
        weights = tf.nn.softmax(ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2))) + bias)
        mixed = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
        return self.output_projection(
            ops.reshape(mixed, (ops.shape(x)[0], ops.shape(x)[1], self.heads * self.depth))
        )


class FeedForward(layers.Layer):
    """Two dense layers with a ReLU between them."""

    def __init__(self, width: int, inner: int, **options: Any) -> None:
        super().__init__(**options)
        self.inner = Projection(inner, activation="relu", name="inner")
        self.outer = Projection(width, name="outer")

    def call(self, x: Tensor) -> Tensor:
        """Return [B,T,width]."""
        return self.outer(self.inner(x))


class EncoderBlock(layers.Layer):
    """Self-attention and feed-forward, each normalised before and added to what came in."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.attention_norm = layers.LayerNormalization(epsilon=EPSILON, name="attention_norm")
        self.attention = Attention(shape.width, shape.heads, name="attention")
        self.feed_forward_norm = layers.LayerNormalization(epsilon=EPSILON, name="feed_forward_norm")
        self.feed_forward = FeedForward(shape.width, shape.feed_forward, name="feed_forward")
        self.dropout = layers.Dropout(shape.dropout)

    def call(self, x: Tensor, bias: Tensor, training: bool | None = None) -> Tensor:
        """Return [B,S,width]."""
        normal = self.attention_norm(x)
        attended = self.attention(normal, *self.attention.keys_values(normal), bias)
        x = x + self.dropout(attended, training=training)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)), training=training)


class DecoderBlock(layers.Layer):
    """Self-attention over what was said, attention over the source, feed-forward."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.attention_norm = layers.LayerNormalization(epsilon=EPSILON, name="attention_norm")
        self.attention = Attention(shape.width, shape.heads, name="attention")
        self.cross_norm = layers.LayerNormalization(epsilon=EPSILON, name="cross_norm")
        self.cross = Attention(shape.width, shape.heads, name="cross")
        self.feed_forward_norm = layers.LayerNormalization(epsilon=EPSILON, name="feed_forward_norm")
        self.feed_forward = FeedForward(shape.width, shape.feed_forward, name="feed_forward")
        self.dropout = layers.Dropout(shape.dropout)

    def call(  # two attentions, each with its keys, values and bias
        self,
        x: Tensor,
        past: tuple[Tensor, Tensor] | None,
        bias: Tensor,
        source: tuple[Tensor, Tensor],
        source_bias: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the new x [B,T,width] and this call's own keys and values [B,H,T,D].

        `past` are keys and values of earlier tokens, to which those of x are appended.
        """
        normal = self.attention_norm(x)
        new_keys, new_values = keys, values = self.attention.keys_values(normal)
        if past is not None:
            keys = ops.concatenate([past[0], keys], axis=2)
            values = ops.concatenate([past[1], values], axis=2)
        x = x + self.dropout(self.attention(normal, keys, values, bias), training=training)
        x = x + self.dropout(self.cross(self.cross_norm(x), *source, source_bias), training=training)
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)), training=training)
        return x, new_keys, new_values


class Transformer(keras.Model):
    """Token ids in, logits out; `encode` and `step` are the halves that serving calls."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dimensions = shape
        normal = keras.initializers.RandomNormal(stddev=shape.width**-0.5)
        self.source_embedding = layers.Embedding(shape.source_vocabulary, shape.width, normal, name="source")
        self.target_embedding = layers.Embedding(shape.target_vocabulary, shape.width, normal, name="target")
        self.encoder = [EncoderBlock(shape, name=f"encoder_{i}") for i in range(shape.depth)]
        self.decoder = [DecoderBlock(shape, name=f"decoder_{i}") for i in range(shape.depth)]
        self.encoder_norm = layers.LayerNormalization(epsilon=EPSILON, name="encoder_norm")
        self.decoder_norm = layers.LayerNormalization(epsilon=EPSILON, name="decoder_norm")
        self.dropout = layers.Dropout(shape.dropout)
        self.table = sinusoids(POSITIONS, shape.width)
        self.scale = float(np.sqrt(shape.width))

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Return logits [B,T,vocabulary] for `source` [B,S] and `target` [B,T], which begins with the start id."""
        memory, source_mask = self.encode_source(inputs["source"], training=training)
        target = inputs["target"]
        time = ops.shape(target)[1]
        x = self.dropout(self._embed(self.target_embedding, target, ops.arange(time)), training=training)
        bias = (1.0 - ops.tril(ops.ones((time, time))))[None, None] * FAR
        source_bias = _bias(source_mask)
        for block in self.decoder:
            cross = block.cross.keys_values(memory)
            x, _, _ = block(x, None, bias, cross, source_bias, training=training)
        return self._logits(x)

    def encode_source(self, source: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """Return the encoder's output [B,S,width] and the source mask [B,S], 1.0 where a token is."""
        mask = ops.cast(ops.not_equal(source, 0), "float32")
        x = self._embed(self.source_embedding, source, ops.arange(ops.shape(source)[1]))
        x = self.dropout(x, training=training)
        bias = _bias(mask)
        for block in self.encoder:
            x = block(x, bias, training=training)
        return self.encoder_norm(x), mask

    def encode(self, source: Tensor) -> dict[str, Tensor]:
        """Return what every step needs of `source` [B,S]: cross keys and values [B,H,S,D] and the mask [B,S]."""
        memory, mask = self.encode_source(source, training=False)
        context = {"source_mask": mask}
        for i, block in enumerate(self.decoder):
            context[f"cross_k_{i}"], context[f"cross_v_{i}"] = block.cross.keys_values(memory)
        return context

    def step(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `logits` [B,vocabulary] after one more token, and its keys and values `new_k_i`, `new_v_i`.

        `ids` and `positions` are [B,1]; `past_mask` [B,P] marks the valid part of `past_k_i` and `past_v_i`
        [B,H,P,D] (P may be 0); the rest is what `encode` returned.
        """
        own = ops.ones_like(inputs["ids"], dtype="float32")
        bias = _bias(ops.concatenate([inputs["past_mask"], own], axis=1))
        source_bias = _bias(inputs["source_mask"])
        x = self._embed(self.target_embedding, inputs["ids"], inputs["positions"])
        answer = {}
        for i, block in enumerate(self.decoder):
            past = inputs[f"past_k_{i}"], inputs[f"past_v_{i}"]
            cross = inputs[f"cross_k_{i}"], inputs[f"cross_v_{i}"]
            x, answer[f"new_k_{i}"], answer[f"new_v_{i}"] = block(
                x, past, bias, cross, source_bias, training=False
            )
        return answer | {"logits": self._logits(x)[:, 0]}

    def _embed(self, embedding: layers.Embedding, ids: Tensor, positions: Tensor) -> Tensor:
        return embedding(ids) * self.scale + tf.gather(tf.constant(self.table), positions)

    def _logits(self, x: Tensor) -> Tensor:
        x = self.decoder_norm(x)
        flat = ops.matmul(
            ops.reshape(x, (-1, self.dimensions.width)), ops.transpose(self.target_embedding.embeddings)
        )
        return ops.reshape(flat, (ops.shape(x)[0], ops.shape(x)[1], self.dimensions.target_vocabulary))


def _bias(mask: Tensor) -> Tensor:
    """[B,K] of 1.0 and 0.0 to the attention bias [B,1,1,K]."""
    return (1.0 - mask)[:, None, None, :] * FAR


def create(shape: Shape) -> Transformer:
    """Return a built Transformer with random weights."""
    model = Transformer(shape, name="english_french")
    one = np.ones((1, 2), np.int32)
    model({"source": one, "target": one})
    return model

"""The step graph of a Transformer's decoder, written by hand: a third of the converter's nodes, about twice as fast.

Knows weights as `training.translate.transformer` keeps them; knows nothing of files. Plain operators of opset 18, so
that every execution provider runs it. Axes: B rows, H heads, P past tokens, S source tokens, D = width / heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.handmade import Builder
from export.transformer_layers import Dense, Layers, beside, dense_of, query_of
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """One decoder block. `own` is query, key and value side by side; queries are already scaled."""

    own_norm: Dense
    own: Dense
    own_output: Dense
    cross_norm: Dense
    cross_query: Dense
    cross_output: Dense
    feed_forward_norm: Dense
    inner: Dense
    outer: Dense


@dataclass(frozen=True, slots=True)
class DecoderWeights:
    """The decoder: `embedding` [vocabulary, width], already scaled, and `positions` [longest, width]."""

    heads: int
    epsilon: float
    embedding: Array
    positions: Array
    blocks: Sequence[BlockWeights]
    norm: Dense
    output: Array

    @property
    def depth(self) -> int:
        """The width of a head."""
        return int(self.embedding.shape[1]) // self.heads


def weights_of(model: Any) -> DecoderWeights:
    """Read the weights of a model of `training.translate.transformer`."""
    from training.translate import transformer  # noqa: PLC0415  # needs TensorFlow

    embedding = model.target_embedding.get_weights()[0]
    return DecoderWeights(
        heads=model.dimensions.heads,
        epsilon=transformer.EPSILON,
        embedding=embedding * np.float32(model.scale),
        positions=model.table,
        blocks=[_block_weights(block) for block in model.decoder],
        norm=dense_of(model.decoder_norm),
        output=embedding.T,
    )


def _block_weights(block: Any) -> BlockWeights:
    own, cross = block.attention, block.cross
    return BlockWeights(
        own_norm=dense_of(block.attention_norm),
        own=beside(query_of(own), dense_of(own.key), dense_of(own.value)),
        own_output=dense_of(own.output_projection),
        cross_norm=dense_of(block.cross_norm),
        cross_query=query_of(cross),
        cross_output=dense_of(cross.output_projection),
        feed_forward_norm=dense_of(block.feed_forward_norm),
        inner=dense_of(block.feed_forward.inner),
        outer=dense_of(block.feed_forward.outer),
    )


def context(weights: DecoderWeights) -> tuple[Tensor, ...]:
    """Return what the encoder gives to every step: `source_mask` [B,S], `cross_k_i` and `cross_v_i` [B,H,S,D]."""
    mask = Tensor(name="source_mask", dtype="float32", shape=("batch", "source"), kind="mask")
    return (mask, *_keys_values(weights, "cross", "context", "source"))


def inputs(weights: DecoderWeights) -> tuple[Tensor, ...]:
    """Return the inputs: one token and its position for each row, its past with a mask, and the context."""
    vocabulary, longest = len(weights.embedding), len(weights.positions)
    return (
        Tensor(name="ids", dtype="int32", shape=("batch", 1), kind="token_ids", range=(0, vocabulary)),
        Tensor(name="positions", dtype="int32", shape=("batch", 1), kind="positions", range=(0, longest)),
        Tensor(name="past_mask", dtype="float32", shape=("batch", "past"), kind="mask"),
        *_keys_values(weights, "past", "state", "past"),
        *context(weights),
    )


def outputs(weights: DecoderWeights) -> tuple[Tensor, ...]:
    """Return the outputs: `logits` [B,vocabulary], and this token's `new_k_i` and `new_v_i` [B,H,1,D]."""
    logits = Tensor(name="logits", dtype="float32", shape=("batch", len(weights.embedding)))
    return (logits, *_keys_values(weights, "new", "state", 1))


def _keys_values(weights: DecoderWeights, prefix: str, kind: Any, axis: int | str) -> tuple[Tensor, ...]:
    shape = ("batch", weights.heads, axis, weights.depth)
    return tuple(
        Tensor(name=f"{prefix}_{letter}_{i}", dtype="float32", shape=shape, kind=kind)
        for i in range(len(weights.blocks))
        for letter in "kv"
    )


def graph(weights: DecoderWeights) -> onnx.ModelProto:
    """Return the graph of one step."""
    step = _Step(weights)
    x = step.embed()
    own_bias, source_bias = step.biases()
    for i, block in enumerate(weights.blocks):
        x = step.block(x, i, block, own_bias, source_bias)
    step.logits(x)
    return step.build.model("step", inputs(weights), outputs(weights))


class _Step:
    """Adds the parts of the graph. Between blocks x is [B,width]: a step has one token, its axis is left out."""

    def __init__(self, weights: DecoderWeights) -> None:
        self.build = Builder()
        self._layers = Layers(self.build, weights.epsilon)
        self._weights = weights
        self._heads = self.build.ints(0, weights.heads, 1, weights.depth)
        self._flat = self.build.ints(0, weights.heads * weights.depth)

    def embed(self) -> str:
        """Return the token's embedding with its position added."""
        build, second = self.build, self.build.ints(1)
        rows = [build.node("Squeeze", name, second) for name in ("ids", "positions")]
        tables = (self._weights.embedding, self._weights.positions)
        parts = [
            build.node("Gather", build.constant(table), row) for table, row in zip(tables, rows, strict=True)
        ]
        return build.node("Add", *parts)

    def biases(self) -> tuple[str, str]:
        """Return what is added to the scores over the past and over the source: 0, or far below it."""
        build = self.build
        past, source = self._layers.bias("past_mask"), self._layers.bias("source_mask")
        # The new token sees itself: a last column of zeros.
        columns = build.constant(np.array([0, 0, 0, 0, 0, 0, 0, 1], np.int64))
        return build.node("Pad", past, columns), source

    def logits(self, x: str) -> None:
        """Add the output."""
        normal = self._layers.normalise(x, self._weights.norm)
        self.build.node("MatMul", normal, self.build.constant(self._weights.output), output="logits")

    def block(self, x: str, index: int, weights: BlockWeights, own_bias: str, source_bias: str) -> str:
        """Add a decoder block; its new keys and values become outputs."""
        build, layers = self.build, self._layers
        together = layers.dense(layers.normalise(x, weights.own_norm), weights.own)
        query, key, value = build.nodes("Split", together, outputs=(None,) * 3, axis=-1, num_outputs=3)
        new = [
            build.node("Reshape", part, self._heads, output=f"new_{letter}_{index}")
            for letter, part in (("k", key), ("v", value))
        ]
        keys, values = (
            build.node("Concat", f"past_{letter}_{index}", part, axis=2)
            for letter, part in zip("kv", new, strict=True)
        )
        attended = self._attend(query, keys, values, own_bias)
        x = build.node("Add", x, layers.dense(attended, weights.own_output))
        query = layers.dense(layers.normalise(x, weights.cross_norm), weights.cross_query)
        attended = self._attend(query, f"cross_k_{index}", f"cross_v_{index}", source_bias)
        x = build.node("Add", x, layers.dense(attended, weights.cross_output))
        return layers.feed_forward(x, weights.feed_forward_norm, weights.inner, weights.outer)

    def _attend(self, query: str, keys: str, values: str, bias: str) -> str:
        build = self.build
        heads = build.node("Reshape", query, self._heads)
        scores = build.node("MatMul", heads, build.node("Transpose", keys, perm=[0, 1, 3, 2]))
        shares = build.node("Softmax", build.node("Add", scores, bias), axis=-1)
        return build.node("Reshape", build.node("MatMul", shares, values), self._flat)

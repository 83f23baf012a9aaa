"""The graph of a Transformer's encoder and of all that its decoder's steps need of it, written by hand.

The converter takes normalisations apart and shapes everything anew around each layer. Knows weights as
`training.translate.transformer` keeps them; knows nothing of files. Plain operators of opset 18. Axes: B rows, H heads,
S source tokens, D = width / heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from export.handmade import Builder
from export.transformer_layers import Array, Dense, Layers, beside, dense_of, query_of
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class BlockWeights:
    """One encoder block. `own` is query, key and value side by side; queries are already scaled."""

    own_norm: Dense
    own: Dense
    own_output: Dense
    feed_forward_norm: Dense
    inner: Dense
    outer: Dense


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """The encoder: `embedding` [vocabulary, width], already scaled, and `positions` [longest, width]; `cross` has the keys
    and values of every block of the decoder side by side.
    """

    heads: int
    epsilon: float
    embedding: Array
    positions: Array
    blocks: Sequence[BlockWeights]
    norm: Dense
    cross: Dense


def weights_of(model: Any) -> EncoderWeights:
    """Read the weights of a model of `training.translate.transformer`."""
    from training.translate import transformer  # noqa: PLC0415  # needs TensorFlow

    crosses = [dense_of(part) for block in model.decoder for part in (block.cross.key, block.cross.value)]
    return EncoderWeights(
        heads=model.dimensions.heads,
        epsilon=transformer.EPSILON,
        embedding=model.source_embedding.get_weights()[0] * np.float32(model.scale),
        positions=model.table,
        blocks=[_block_weights(block) for block in model.encoder],
        norm=dense_of(model.encoder_norm),
        cross=beside(*crosses),
    )


def _block_weights(block: Any) -> BlockWeights:
    own = block.attention
    return BlockWeights(
        own_norm=dense_of(block.attention_norm),
        own=beside(query_of(own), dense_of(own.key), dense_of(own.value)),
        own_output=dense_of(own.output_projection),
        feed_forward_norm=dense_of(block.feed_forward_norm),
        inner=dense_of(block.feed_forward.inner),
        outer=dense_of(block.feed_forward.outer),
    )


def graph(weights: EncoderWeights, source: Tensor, context: Sequence[Tensor]) -> onnx.ModelProto:
    """Return the graph: `source` [B,S] with 0 for padding to the `context` of a step, a mask and keys and values."""
    mask, *keys_values = [tensor.name for tensor in context]
    encoder = _Encoder(weights, source.name)
    bias = encoder.mask(mask)
    x = encoder.embed()
    for block in weights.blocks:
        x = encoder.block(x, block, bias)
    encoder.keys_values(x, keys_values)
    return encoder.build.model("encode", [source], context)


class _Encoder:
    """Adds the parts of the graph. Between blocks x is [B*S,width]: all tokens of all rows below one another."""

    def __init__(self, weights: EncoderWeights, source: str) -> None:
        self.build = build = Builder()
        self._layers = Layers(build, weights.epsilon)
        self._weights = weights
        self._source = source
        depth = weights.embedding.shape[1] // weights.heads
        shape = build.node("Shape", source)
        self._heads = build.node("Concat", shape, build.ints(weights.heads, depth), axis=0)
        self._flat = build.ints(-1, weights.heads * depth)

    def mask(self, name: str) -> str:
        """Add the mask of the source as an output, and return what it adds to scores."""
        build = self.build
        padding = build.node("Equal", self._source, build.constant(np.array(0, np.int32)))
        build.node("Cast", build.node("Not", padding), output=name, to=1)
        return self._layers.bias(name)

    def embed(self) -> str:
        """Return the tokens' embeddings with their positions added."""
        build, zero = self.build, self.build.ints(0)
        length = build.node("Shape", self._source, start=1, end=2)
        positions = build.node("Slice", build.constant(self._weights.positions), zero, length, zero)
        tokens = build.node("Gather", build.constant(self._weights.embedding), self._source)
        return build.node("Reshape", build.node("Add", tokens, positions), self._flat)

    def block(self, x: str, weights: BlockWeights, bias: str) -> str:
        """Add an encoder block."""
        build, layers = self.build, self._layers
        together = layers.dense(layers.normalise(x, weights.own_norm), weights.own)
        query, key, value = build.nodes("Split", together, outputs=(None,) * 3, axis=-1, num_outputs=3)
        scores = build.node("MatMul", self._by_head(query), self._by_head(key, perm=(0, 2, 3, 1)))
        shares = build.node("Softmax", build.node("Add", scores, bias), axis=-1)
        mixed = build.node("MatMul", shares, self._by_head(value))
        attended = build.node("Reshape", build.node("Transpose", mixed, perm=[0, 2, 1, 3]), self._flat)
        x = build.node("Add", x, layers.dense(attended, weights.own_output))
        return layers.feed_forward(x, weights.feed_forward_norm, weights.inner, weights.outer)

    def keys_values(self, x: str, names: Sequence[str]) -> None:
        """Add the keys and values of the decoder's blocks as outputs."""
        memory = self._layers.dense(self._layers.normalise(x, self._weights.norm), self._weights.cross)
        parts = self.build.nodes(
            "Split", memory, outputs=(None,) * len(names), axis=-1, num_outputs=len(names)
        )
        for name, part in zip(names, parts, strict=True):
            self._by_head(part, output=name)

    def _by_head(self, x: str, perm: Sequence[int] = (0, 2, 1, 3), output: str | None = None) -> str:
        """Return [B*S,width] as [B,H,S,D], or with its axes in another order."""
        apart = self.build.node("Reshape", x, self._heads)
        return self.build.node("Transpose", apart, perm=list(perm), output=output)

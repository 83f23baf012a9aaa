"""The graphs of an encoder-decoder GRU, written by hand: one reads ragged questions, one makes a step of the reply.

Knows weights as Keras keeps them; knows nothing of files. tf2onnx makes a loop of every Keras GRU, ten times slower; by
hand it is the fused operator, and takes `sequence_lens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.handmade import Builder
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
POSITIONS = 256
"""How many steps of a reply are numbered."""


@dataclass(frozen=True, slots=True)
class GruWeights:
    """One Keras GRU with `reset_after`: kernel [in, 3U], recurrent kernel [U, 3U], bias [2, 3U], gates z, r, h."""

    kernel: Array
    recurrent: Array
    bias: Array

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return int(self.recurrent.shape[0])


@dataclass(frozen=True, slots=True)
class ChatWeights:
    """Both embeddings [vocabulary, width], both GRUs, and the output layer [U, vocabulary] with its bias."""

    source: Array
    target: Array
    encoder: GruWeights
    decoder: GruWeights
    output: Array
    output_bias: Array


def weights_of(model: Any) -> ChatWeights:
    """Read the weights of a model of `training.generate.gru`."""
    output, output_bias = model.output_layer.get_weights()
    return ChatWeights(
        source=model.source_embedding.get_weights()[0],
        target=model.target_embedding.get_weights()[0],
        encoder=GruWeights(*model.encoder.get_weights()),
        decoder=GruWeights(*model.decoder.get_weights()),
        output=output,
        output_bias=output_bias,
    )


def source(weights: ChatWeights) -> tuple[Tensor, ...]:
    """Return the encoder's input: `source` [batch, source]; id 0 pads it on the right."""
    known = (0, len(weights.source))
    return (Tensor(name="source", dtype="int32", shape=("batch", "source"), kind="token_ids", range=known),)


def context(weights: ChatWeights) -> tuple[Tensor, ...]:
    """Return what the encoder gives every step: `thought` [batch, units]."""
    return (_state("thought", weights, "context"),)


def inputs(weights: ChatWeights) -> tuple[Tensor, ...]:
    """Return the step's inputs: `ids` and `positions` [batch, 1], the state `h` before, and the context."""
    one = ("batch", 1)
    return (
        Tensor(name="ids", dtype="int32", shape=one, kind="token_ids", range=(0, len(weights.target))),
        Tensor(name="positions", dtype="int32", shape=one, kind="positions", range=(0, POSITIONS)),
        _state("h", weights, "state"),
        *context(weights),
    )


def outputs(weights: ChatWeights) -> tuple[Tensor, ...]:
    """Return the step's outputs: `logits` [batch, vocabulary] and the new state `h_out`."""
    logits = Tensor(name="logits", dtype="float32", shape=("batch", len(weights.target)))
    return (logits, _state("h_out", weights, "state"))


def _state(name: str, weights: ChatWeights, kind: Any) -> Tensor:
    return Tensor(
        name=name, dtype="float32", shape=("batch", weights.decoder.units), kind=kind, range=(-1, 1)
    )


def encoder(weights: ChatWeights) -> onnx.ModelProto:
    """Return the encoder: a row ends with its last id that is not 0."""
    build = Builder()
    real = build.node("Cast", build.node("Cast", "source", to=_onnx_type("bool")), to=_onnx_type("int32"))
    lengths = build.node("ReduceSum", real, build.ints(1), keepdims=0)
    x = build.node("Gather", build.constant(weights.source), "source")
    _gru(build, weights.encoder, x, lengths, "", "thought")
    return build.model("encode", source(weights), context(weights))


def step(weights: ChatWeights) -> onnx.ModelProto:
    """Return the step; at position 0 the state before is the encoder's, whatever `h` is."""
    build = Builder()
    first = build.node("Equal", "positions", build.constant(np.array(0, np.int32)))
    before = build.node("Unsqueeze", build.node("Where", first, "thought", "h"), build.ints(0))
    x = build.node("Gather", build.constant(weights.target), "ids")
    _gru(build, weights.decoder, x, "", before, "h_out")
    build.node(
        "Gemm", "h_out", build.constant(weights.output), build.constant(weights.output_bias), output="logits"
    )
    return build.model("step", inputs(weights), outputs(weights))


def _gru(build: Builder, layer: GruWeights, x: str, lengths: str, before: str, output: str) -> None:
    """Add a GRU over `x` [batch, time, in]; its state after each row's last one is called `output`.

    `lengths` and `before` may be "": all rows are full, all begin with zeros.
    """
    x = build.node("Transpose", x, perm=[1, 0, 2])  # ONNX Runtime's GRU takes time first
    kernel, recurrent, bias = (
        build.constant(part[None]) for part in (layer.kernel.T, layer.recurrent.T, layer.bias.reshape(-1))
    )
    _, hidden = build.nodes(
        "GRU",
        *(x, kernel, recurrent, bias, lengths, before),
        outputs=("", None),
        hidden_size=layer.units,
        linear_before_reset=1,  # Keras' reset_after
    )
    build.node("Squeeze", hidden, build.ints(0), output=output)


def _onnx_type(dtype: str) -> int:
    from onnx import helper  # noqa: PLC0415  # half a second; not for `--help`

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

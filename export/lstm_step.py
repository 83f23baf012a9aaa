"""The step graph of a character LSTM, written by hand: one graph reads ragged prompts and single characters.

Knows weights as Keras keeps them; knows nothing of files. tf2onnx makes the fused LSTM operator too, but drops it for
a loop, ten times slower, as soon as rows have different lengths; by hand it takes `sequence_lens`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.handmade import Builder
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class LstmWeights:
    """One Keras LSTM layer: kernel [in, 4U], recurrent kernel [U, 4U], bias [4U], gates i, f, c, o."""

    kernel: Array
    recurrent: Array
    bias: Array

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return int(self.recurrent.shape[0])


@dataclass(frozen=True, slots=True)
class GeneratorWeights:
    """Embedding [vocabulary, width], LSTM layers, and the output layer [U, vocabulary] with its bias."""

    embedding: Array
    layers: Sequence[LstmWeights]
    output: Array
    output_bias: Array


def weights_of(model: Any) -> GeneratorWeights:
    """Read the weights of a model of `training.generate.lstm`."""
    from training.generate import lstm  # noqa: PLC0415  # needs TensorFlow

    output, output_bias = model.get_layer("logits").get_weights()
    return GeneratorWeights(
        embedding=model.get_layer("embedding").get_weights()[0],
        layers=[LstmWeights(*layer.get_weights()) for layer in lstm.lstm_layers(model)],
        output=output,
        output_bias=output_bias,
    )


def inputs(weights: GeneratorWeights) -> tuple[Tensor, ...]:
    """Return the inputs: `ids` [batch, time], `lengths` [batch], then `h_i` and `c_i` [batch, units]."""
    vocabulary = len(weights.embedding)
    return (
        Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(0, vocabulary)),
        Tensor(name="lengths", dtype="int32", shape=("batch",), kind="lengths", pad=1),
        *_states(weights, ""),
    )


def outputs(weights: GeneratorWeights) -> tuple[Tensor, ...]:
    """Return the outputs: `logits` [batch, vocabulary], then the new states."""
    logits = Tensor(name="logits", dtype="float32", shape=("batch", len(weights.embedding)))
    return (logits, *_states(weights, "_out"))


def _states(weights: GeneratorWeights, suffix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            name=f"{letter}_{i}{suffix}",
            dtype="float32",
            shape=("batch", layer.units),
            kind="state",
            range=(-1, 1),
        )
        for i, layer in enumerate(weights.layers)
        for letter in "hc"
    )


def graph(weights: GeneratorWeights) -> onnx.ModelProto:
    """Return the graph. The states after a row's last valid character become its logits and its new states."""
    build = Builder()
    embedded = build.node("Gather", build.constant(weights.embedding), "ids")
    x = build.node("Transpose", embedded, perm=[1, 0, 2])  # ONNX Runtime's LSTM takes time first
    for i, layer in enumerate(weights.layers):
        x = _layer(build, i, layer, x, last=i == len(weights.layers) - 1)
    build.node(
        "Gemm",
        f"h_{len(weights.layers) - 1}_out",
        build.constant(weights.output),
        build.constant(weights.output_bias),
        output="logits",
    )
    return build.model("step", inputs(weights), outputs(weights))


def _layer(build: Builder, index: int, layer: LstmWeights, x: str, *, last: bool) -> str:
    """Add a layer, and return its outputs [time, batch, units]; those of the last one nobody reads."""
    kernel, recurrent, bias = (
        build.constant(part[None])
        for part in (
            _gates(layer.kernel).T,
            _gates(layer.recurrent).T,
            np.concatenate([_gates(layer.bias), np.zeros_like(layer.bias)]),
        )
    )
    zero, one = build.ints(0), build.ints(1)
    before = [build.node("Unsqueeze", f"{letter}_{index}", zero) for letter in "hc"]
    feeds = (x, kernel, recurrent, bias, "lengths", *before)
    y, hidden, carry = build.nodes(
        "LSTM", *feeds, outputs=("" if last else None, None, None), hidden_size=layer.units
    )
    build.node("Squeeze", hidden, zero, output=f"h_{index}_out")
    build.node("Squeeze", carry, zero, output=f"c_{index}_out")
    return "" if last else build.node("Squeeze", y, one)


def _gates(weights: Array) -> Array:
    """Reorder the last axis from Keras' i, f, c, o to ONNX's i, o, f, c."""
    i, f, c, o = np.split(weights, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)

"""Describe a run of `digits-scratch` as a bundle: its NumPy weights as a TensorFlow function and as an ONNX graph.

Knows the network's layers by number; knows nothing of how it was trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from export import classify
from export.handmade import Builder
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

SIDE = 28


def describe(source: Source) -> Recipe:
    """Return the recipe; raises RunError if the run has no labels, or not one for each output."""
    network = source.model
    last = network.weights[f"bias_{network.depth - 1}"]
    inputs, outputs = classify.tensors((SIDE, SIDE, 1), len(last))
    endpoint = Endpoint(
        classify.SIGNATURE,
        trace(inputs, _module(network)),
        inputs,
        outputs,
        graph=lambda: _graph(network, inputs, outputs),
    )
    return classify.recipe(source, endpoint)


def _module(network: Any) -> Any:
    """Return a `tf.Module` that answers as the network does."""
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    class Dense(tf.Module):
        """The network with its weights as variables."""

        def __init__(self) -> None:
            super().__init__()
            self.layers = [
                (
                    tf.Variable(network.weights[f"weights_{each}"]),
                    tf.Variable(network.weights[f"bias_{each}"]),
                )
                for each in range(network.depth)
            ]

        def __call__(self, inputs: Named) -> Named:
            hidden = tf.reshape(inputs[classify.IMAGE], [-1, SIDE * SIDE])
            for number, (weights, bias) in enumerate(self.layers):
                hidden = hidden @ weights + bias
                hidden = tf.nn.relu(hidden) if number + 1 < len(self.layers) else tf.nn.softmax(hidden)
            return {classify.PROBABILITIES: hidden}

    return Dense()


def _graph(network: Any, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> onnx.ModelProto:
    """Return the network as ONNX: Gemm and Relu, then Softmax."""
    builder = Builder()
    hidden = builder.node("Reshape", classify.IMAGE, builder.ints(-1, SIDE * SIDE))
    for layer in range(network.depth):
        weights, bias = network.weights[f"weights_{layer}"], network.weights[f"bias_{layer}"]
        hidden = builder.node("Gemm", hidden, builder.constant(weights), builder.constant(bias))
        if layer + 1 < network.depth:
            hidden = builder.node("Relu", hidden)
    builder.node("Softmax", hidden, output=classify.PROBABILITIES, axis=-1)
    return builder.model("digits_scratch", inputs, outputs)

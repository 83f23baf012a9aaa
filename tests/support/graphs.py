"""Tiny ONNX graphs with known answers, each beside the numpy function that it equals.

Know nothing of manifests or directories.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.bundle import Tensor
from service.domain import Array, Tensors

OPSET = 18
IR_VERSION = 10
SHARPNESS = 4.0
"""How fast logits fall beside the token that is meant: all others together have 3.6 % of the probability."""

_TYPES = {
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    constants: Tensors,
) -> onnx.ModelProto:
    """Return a checked model of `nodes`."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [_value(tensor) for tensor in inputs],
        [_value(tensor) for tensor in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    return made


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], list(tensor.shape))


def node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    """Return a node; `inputs` are separated by spaces."""
    return helper.make_node(kind, inputs.split(), output.split(), **attributes)


def multiply(inputs: Sequence[Tensor], outputs: Sequence[Tensor], factor: float) -> onnx.ModelProto:
    """Return a graph whose output is its input times `factor`."""
    nodes = [node("Mul", f"{inputs[0].name} factor", outputs[0].name)]
    return model(nodes, inputs, outputs, {"factor": np.array(factor, inputs[0].dtype)})


def classifier(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], weights: Array, bias: Array
) -> onnx.ModelProto:
    """Return softmax(flatten(image) @ weights + bias)."""
    nodes = [
        node("Flatten", inputs[0].name, "flat", axis=1),
        node("Gemm", "flat weights bias", "logits"),
        node("Softmax", "logits", outputs[0].name, axis=1),
    ]
    return model(nodes, inputs, outputs, {"weights": weights, "bias": bias})


def scorer(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], mean: Array, deviation: Array, threshold: float
) -> onnx.ModelProto:
    """Return the mean squared standardised feature, its threshold and verdict, and the squares."""
    nodes = [
        node("Sub", "features mean", "centred"),
        node("Div", "centred deviation", "standard"),
        node("Mul", "standard standard", "contributions"),
        node("ReduceMean", "contributions axis", "score", keepdims=0),
        node("Shape", "score", "rows"),
        node("Expand", "limit rows", "threshold"),
        node("Greater", "score limit", "is_anomaly"),
    ]
    constants = {
        "mean": mean,
        "deviation": deviation,
        "axis": np.array([1], np.int64),
        "limit": np.array([threshold], np.float32),
    }
    return model(nodes, inputs, outputs, constants)


def generator_step(inputs: Sequence[Tensor], outputs: Sequence[Tensor], vocabulary: int) -> onnx.ModelProto:
    """Return a step with state h, the weighted sum of all tokens modulo `vocabulary`, and c, their count.

    The token at place n of the history (from 1) adds n * (id + 1); the logits are highest at h.
    """
    nodes = [
        # valid [batch, time]: 1 for a row's own tokens, 0 for its padding
        node("Shape", "ids", "time", start=1, end=2),
        node("Squeeze", "time", "time_scalar"),
        node("Range", "zero time_scalar one", "steps"),
        node("Unsqueeze", "lengths last", "lengths_column"),
        node("Cast", "lengths_column", "lengths_long", to=TensorProto.INT64),
        node("Less", "steps lengths_long", "is_valid"),
        node("Cast", "is_valid", "valid", to=TensorProto.FLOAT),
        # sum over time of (place * (id + 1))
        node("Cast", "steps", "steps_float", to=TensorProto.FLOAT),
        node("Add", "c steps_float", "before"),
        node("Add", "before float_one", "place"),
        node("Cast", "ids", "ids_float", to=TensorProto.FLOAT),
        node("Add", "ids_float float_one", "weight"),
        node("Mul", "place weight", "product"),
        node("Mul", "product valid", "own"),
        node("ReduceSum", "own last", "added", keepdims=1),
        node("Add", "h added", "sum"),
        node("Mod", "sum size", "h_out", fmod=1),
        node("Cast", "lengths_long", "lengths_float", to=TensorProto.FLOAT),
        node("Add", "c lengths_float", "c_out"),
        *_peak("h_out"),
    ]
    constants: dict[str, Array] = {
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "last": np.array([1], np.int64),
        "float_one": np.array(1, np.float32),
        "size": np.array(vocabulary, np.float32),
        **_peak_constants(vocabulary),
    }
    return model(nodes, inputs, outputs, constants)


def encoder(inputs: Sequence[Tensor], outputs: Sequence[Tensor], mapping: Array) -> onnx.ModelProto:
    """Return the target token of each source token [batch, source, 1], and which of them are no padding."""
    nodes = [
        node("Gather", "mapping source", "targets"),
        node("Unsqueeze", "targets axis", "cross_targets"),
        node("Equal", "source pad", "is_padding"),
        node("Not", "is_padding", "is_valid"),
        node("Cast", "is_valid", "source_mask", to=TensorProto.FLOAT),
    ]
    constants: dict[str, Array] = {
        "mapping": mapping.astype(np.float32),
        "axis": np.array([2], np.int64),
        "pad": np.array(0, np.int32),
    }
    return model(nodes, inputs, outputs, constants)


def translator_step(inputs: Sequence[Tensor], outputs: Sequence[Tensor], vocabulary: int) -> onnx.ModelProto:
    """Return a step whose logits are highest at the target token of the source's place n, after n tokens.

    n is the mean of `positions` and of the count of valid past tokens, so that both must be right; every token
    appends a one to `past`.
    """
    nodes = [
        node("Unsqueeze", "past_mask mask_axes", "past_mask_4"),
        node("Mul", "past past_mask_4", "seen"),
        node("ReduceSum", "seen seen_axes", "count", keepdims=0),
        node("Unsqueeze", "count last", "count_column"),
        node("Cast", "positions", "position", to=TensorProto.FLOAT),
        node("Add", "count_column position", "twice"),
        node("Mul", "twice half", "place"),
        # a one at the place, within the row's own source
        node("Shape", "source_mask", "length", start=1, end=2),
        node("Squeeze", "length", "length_scalar"),
        node("Range", "zero length_scalar one", "places"),
        node("Cast", "places", "places_float", to=TensorProto.FLOAT),
        node("Sub", "places_float place", "distance"),
        node("Abs", "distance", "absolute"),
        node("Sub", "float_one absolute", "nearness"),
        node("Relu", "nearness", "here"),
        node("Mul", "here source_mask", "chosen"),
        node("Squeeze", "cross_targets two", "targets"),
        node("Mul", "targets chosen", "picked"),
        node("ReduceSum", "picked last", "target", keepdims=1),
        *_peak("target"),
        # every new token is worth one: made from the token so that it has the batch's rows
        node("Cast", "token", "token_float", to=TensorProto.FLOAT),
        node("Mul", "token_float float_zero", "nothing"),
        node("Add", "nothing float_one", "ones"),
        node("Unsqueeze", "ones new_axes", "past_new"),
    ]
    constants: dict[str, Array] = {
        "mask_axes": np.array([1, 3], np.int64),
        "seen_axes": np.array([1, 2, 3], np.int64),
        "new_axes": np.array([1, 3], np.int64),
        "last": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "half": np.array(0.5, np.float32),
        "float_zero": np.array(0, np.float32),
        "float_one": np.array(1, np.float32),
        **_peak_constants(vocabulary),
    }
    return model(nodes, inputs, outputs, constants)


def peak(tokens: Array, vocabulary: int) -> Array:
    """Return logits [rows, vocabulary] that are highest at each row's token."""
    return (-SHARPNESS * np.abs(np.arange(vocabulary)[None, :] - tokens[:, None])).astype(np.float32)


def _peak(token: str) -> list[onnx.NodeProto]:
    return [
        node("Sub", f"entries {token}", "away"),
        node("Abs", "away", "away_absolute"),
        node("Mul", "away_absolute slope", "logits"),
    ]


def _peak_constants(vocabulary: int) -> dict[str, Array]:
    return {
        "entries": np.arange(vocabulary, dtype=np.float32)[None, :],
        "slope": np.array(-SHARPNESS, np.float32),
    }

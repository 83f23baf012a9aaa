"""Write tiny real bundles with an embedding signature: one of token ids, one of text.

Know nothing of words: both are served as `predict`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from service.bundle import Predict, Tensor
from service.domain import Array
from tests.support import graphs
from tests.support.writing import Draft, Place, write

TABLE = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
"""The vectors of the eight tokens."""
PHRASES = ("", "hello", "goodbye")
"""The texts that `write_text_embedder` knows, at the place of their vector; all others are like the first."""


def embedded(ids: list[int]) -> Array:
    """Return what `write_embedder` gives for one list of ids: the sum of their vectors."""
    return TABLE[ids].sum(axis=0)


def write_embedder(directory: Path, *, name: str = "vectors", version: int = 1) -> Path:
    """Write a model whose signature `embed` sums the vectors of the tokens that its mask says are there."""
    wide = ("batch", "time")
    inputs = (
        Tensor(name="ids", dtype="int32", shape=wide, kind="token_ids", range=(0, len(TABLE))),
        Tensor(name="mask", dtype="float32", shape=wide, kind="mask"),
    )
    outputs = (Tensor(name="vector", dtype="float32", shape=("batch", 3)),)
    nodes = [
        graphs.node("Gather", "table ids", "each"),
        graphs.node("Unsqueeze", "mask last", "weight"),
        graphs.node("Mul", "each weight", "weighted"),
        graphs.node("ReduceSum", "weighted axis", "vector", keepdims=0),
    ]
    constants = {"table": TABLE, "last": np.array([2], np.int64), "axis": np.array([1], np.int64)}
    graph = graphs.model(nodes, inputs, outputs, constants)
    request = {"ids": np.array([[1, 2], [3, 0]], np.int32), "mask": np.array([[1, 1], [1, 0]], np.float32)}
    answer = {"vector": np.stack([embedded([1, 2]), embedded([3])])}
    return write(
        Place(directory, name, version), Predict(), {"embed": Draft(graph, inputs, outputs, request, answer)}
    )


def write_text_embedder(directory: Path, *, name: str = "phrases", version: int = 1) -> Path:
    """Write a model whose signature `embedding` gives each of `PHRASES` a vector of `TABLE`."""
    inputs = (Tensor(name="text", dtype="string", shape=("batch",)),)
    outputs = (Tensor(name="vector", dtype="float32", shape=("batch", 3)),)
    lookup = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["index"],
        domain="ai.onnx.ml",
        keys_strings=list(PHRASES),
        values_int64s=list(range(len(PHRASES))),
        default_int64=0,
    )
    graph = helper.make_graph(
        [lookup, graphs.node("Gather", "table index", "vector")],
        "graph",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    opsets = [helper.make_opsetid("", graphs.OPSET), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=graphs.IR_VERSION)
    return write(Place(directory, name, version), Predict(), {"embedding": Draft(model, inputs, outputs)})

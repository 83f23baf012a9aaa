"""Make the network of the benchmark: 64 features, 128 hidden units, 10 outputs.

Knows the graph alone. It is small on purpose: what is left of the time is the gateway's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, HIDDEN, OUTPUTS = 64, 128, 10


def write_network(path: Path, seed: int = 0) -> None:
    """Write the graph `features` [batch, 64] → `logits` [batch, 10] with random weights to `path`."""
    random = np.random.default_rng(seed)
    weights = {
        "w1": random.normal(0, 0.2, (FEATURES, HIDDEN)),
        "b1": random.normal(0, 0.2, HIDDEN),
        "w2": random.normal(0, 0.2, (HIDDEN, OUTPUTS)),
        "b2": random.normal(0, 0.2, OUTPUTS),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "w1", "b1"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"]),
        ],
        "network",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURES])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", OUTPUTS])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())

"""The builder of ONNX graphs."""

import numpy as np
import onnx
import onnxruntime

from export.handmade import Builder
from service.bundle import Tensor

X = Tensor(name="x", dtype="float32", shape=("batch", 2))
Y = Tensor(name="y", dtype="float32", shape=("batch", 2))


def test_a_graph_of_one_node_runs() -> None:
    build = Builder()
    build.node("Add", "x", build.constant(np.array([1, 2], np.float32)), output="y")
    model = build.model("plus", [X], [Y])
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    answer = session.run(None, {"x": np.zeros((3, 2), np.float32)})
    assert answer[0].tolist() == [[1, 2]] * 3
    assert [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        2,
    ]


def test_equal_small_constants_are_kept_once_and_scalars_stay_scalars() -> None:
    build = Builder()
    assert build.ints(0, 1) == build.ints(0, 1)
    assert build.ints(0) != build.constant(np.array(0, np.int64))
    assert build.constant(np.array(1, np.float32)) != build.constant(np.array(1, np.int64))

"""The hand-made encoder: the same numbers as Keras for ragged rows, and few nodes."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import transformer_encoder, transformer_step
from service.bundle import Tensor
from training.quiet import import_tensorflow

SOURCE = Tensor(name="source", dtype="int32", shape=("batch", "source"), kind="token_ids")


@pytest.fixture(scope="module")
def model() -> Any:
    import_tensorflow()
    import keras

    from training.translate import transformer

    keras.utils.set_random_seed(1)
    return transformer.create(transformer.Shape(40, 50, width=32, heads=8, feed_forward=24, depth=2))


@pytest.fixture(scope="module")
def graph(model: Any) -> onnx.ModelProto:
    context = transformer_step.context(transformer_step.weights_of(model))
    return transformer_encoder.graph(transformer_encoder.weights_of(model), SOURCE, context)


def run(graph: onnx.ModelProto, source: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"source": source}), strict=True))


@pytest.mark.parametrize("lengths", [[1], [3, 5], [7, 1, 4], [0, 2]])
def test_it_answers_as_keras_does(model: Any, graph: onnx.ModelProto, lengths: list[int]) -> None:
    rows = np.random.default_rng(len(lengths)).integers(1, 40, (len(lengths), max(lengths)))
    source = np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], rows, 0).astype(np.int32)
    answer, expected = run(graph, source), model.encode(source)
    assert answer.keys() == expected.keys()
    for name, value in answer.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_padding_changes_nothing_of_what_is_not_padding(graph: onnx.ModelProto) -> None:
    source = np.array([[5, 9, 3]], np.int32)
    alone, padded = run(graph, source), run(graph, np.pad(source, [(0, 0), (0, 4)]))
    for name, value in alone.items():
        length = padded[name][:, :3] if value.ndim == 2 else padded[name][:, :, :3]
        np.testing.assert_allclose(value, length, atol=1e-5, err_msg=name)


def test_the_graph_is_small_and_valid(graph: onnx.ModelProto) -> None:
    onnx.checker.check_model(graph)
    assert len(graph.graph.node) <= 75
    assert {entry.version for entry in graph.opset_import} == {18}

"""The hand-made graphs of the chat model: the same numbers as Keras, ragged questions included, without a loop."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import gru_step
from export.gru_step import ChatWeights
from training.quiet import import_tensorflow


@pytest.fixture(scope="module")
def model() -> Any:
    import_tensorflow()
    import keras

    from training.generate import gru

    keras.utils.set_random_seed(1)
    made = gru.create(gru.Shape(source_vocabulary=20, target_vocabulary=15, embedding=8, units=12))
    for layer in (made.encoder, made.decoder):  # Keras' own biases are zeros, which would hide a wrong order
        layer.set_weights(
            [
                part + np.random.default_rng(part.size).normal(0, 0.3, part.shape)
                for part in layer.get_weights()
            ]
        )
    return made


@pytest.fixture(scope="module")
def weights(model: Any) -> ChatWeights:
    return gru_step.weights_of(model)


def run(graph: onnx.ModelProto, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    onnx.checker.check_model(graph)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize("lengths", [[1], [5, 1, 3], [2, 2]])
def test_the_encoder_answers_as_keras_does(model: Any, weights: ChatWeights, lengths: list[int]) -> None:
    ids = np.random.default_rng(1).integers(1, 20, (len(lengths), max(lengths) + 1)).astype(np.int32)
    ids[np.arange(ids.shape[1]) >= np.array(lengths)[:, None]] = 0
    answer, expected = run(gru_step.encoder(weights), {"source": ids}), model.encode(ids)
    assert answer.keys() == expected.keys()
    np.testing.assert_allclose(answer["thought"], expected["thought"], atol=1e-6)


def test_the_step_answers_as_keras_does_at_the_first_position_and_later(
    model: Any, weights: ChatWeights
) -> None:
    rng = np.random.default_rng(2)
    given = {
        "ids": rng.integers(0, 15, (4, 1)).astype(np.int32),
        "positions": np.array([[0], [1], [0], [9]], np.int32),
        "h": rng.uniform(-1, 1, (4, 12)).astype(np.float32),
        "thought": rng.uniform(-1, 1, (4, 12)).astype(np.float32),
    }
    answer, expected = run(gru_step.step(weights), given), model.step(given)
    assert answer.keys() == expected.keys()
    for name, value in answer.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)
    other = run(gru_step.step(weights), given | {"h": given["h"] * 0})
    same = [bool((other["logits"][row] == answer["logits"][row]).all()) for row in range(4)]
    assert same == [True, False, True, False]


def test_both_are_a_fused_operator_and_no_loop(weights: ChatWeights) -> None:
    for graph in (gru_step.encoder(weights), gru_step.step(weights)):
        operators = [node.op_type for node in graph.graph.node]
        assert operators.count("GRU") == 1
        assert "Loop" not in operators
        assert len(operators) <= 8

"""The hand-made LSTM step: the same numbers as Keras, in ragged batches, in one graph without a loop."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import lstm_step
from export.lstm_step import GeneratorWeights
from training.quiet import import_tensorflow

STATES = ("h_0", "c_0", "h_1", "c_1")


@pytest.fixture(scope="module")
def model() -> Any:
    import_tensorflow()
    import keras

    from training.generate import lstm

    keras.utils.set_random_seed(1)
    return lstm.build(lstm.Shape(vocabulary=20, embedding=8, units=12))


@pytest.fixture(scope="module")
def weights(model: Any) -> GeneratorWeights:
    return lstm_step.weights_of(model)


def feeds(rows: int, lengths: list[int], time: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(rows)
    ids = rng.integers(0, 20, (rows, time)).astype(np.int32)
    states = {name: rng.uniform(-1, 1, (rows, 12)).astype(np.float32) for name in STATES}
    return {"ids": ids, "lengths": np.array(lengths, np.int32)} | states


def run(weights: GeneratorWeights, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(lstm_step.graph(weights).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize(("lengths", "time"), [([1], 1), ([1, 1, 1], 1), ([7, 1, 4], 7), ([3, 2, 5], 9)])
def test_it_answers_as_keras_does(
    model: Any, weights: GeneratorWeights, lengths: list[int], time: int
) -> None:
    from training.generate import lstm

    given = feeds(len(lengths), lengths, time)
    answer, expected = run(weights, given), lstm.step(model, given)
    assert answer.keys() == expected.keys()
    for name, value in answer.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_what_stands_behind_a_row_does_not_matter(weights: GeneratorWeights) -> None:
    given = feeds(2, [3, 5], 6)
    other = given | {"ids": given["ids"].copy()}
    other["ids"][0, 3:] = 7
    other["ids"][1, 5:] = 7
    for name, value in run(weights, given).items():
        np.testing.assert_array_equal(value, run(weights, other)[name])


def test_two_layers_are_two_fused_operators_and_no_loop(weights: GeneratorWeights) -> None:
    graph = lstm_step.graph(weights)
    onnx.checker.check_model(graph)
    operators = [node.op_type for node in graph.graph.node]
    assert operators.count("LSTM") == 2
    assert "Loop" not in operators
    assert len(operators) <= 14

"""The hand-made Transformer step: the same numbers as Keras, whatever the rows' ages, and few nodes."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export import transformer_step
from export.transformer_step import DecoderWeights
from training.quiet import import_tensorflow

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def model() -> Any:
    import_tensorflow()
    import keras

    from training.translate import transformer

    keras.utils.set_random_seed(1)
    return transformer.create(transformer.Shape(40, 50, width=32, heads=8, feed_forward=24, depth=2))


@pytest.fixture(scope="module")
def weights(model: Any) -> DecoderWeights:
    return transformer_step.weights_of(model)


def feeds(past: list[int], source: list[int]) -> Arrays:
    """Rows with so many valid past and source tokens; what is masked holds numbers as well."""
    rows, longest, wide = len(past), max(past), max(source)
    rng = np.random.default_rng(rows)
    given = {
        "ids": rng.integers(0, 50, (rows, 1)).astype(np.int32),
        "positions": np.array(past, np.int32)[:, None],
        "past_mask": (np.arange(longest) < np.array(past)[:, None]).astype(np.float32),
        "source_mask": (np.arange(wide) < np.array(source)[:, None]).astype(np.float32),
    }
    for i in range(2):
        for letter in "kv":
            given[f"past_{letter}_{i}"] = rng.normal(size=(rows, 8, longest, 4)).astype(np.float32)
            given[f"cross_{letter}_{i}"] = rng.normal(size=(rows, 8, wide, 4)).astype(np.float32)
    return given


def run(weights: DecoderWeights, given: Arrays) -> Arrays:
    session = onnxruntime.InferenceSession(transformer_step.graph(weights).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize(
    ("past", "source"), [([0], [1]), ([0, 0], [3, 5]), ([4, 0, 9], [2, 7, 1]), ([1, 1, 1], [4, 4, 4])]
)
def test_it_answers_as_keras_does(
    model: Any, weights: DecoderWeights, past: list[int], source: list[int]
) -> None:
    given = feeds(past, source)
    answer, expected = run(weights, given), model.step(given)
    assert answer.keys() == expected.keys()
    for name, value in answer.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


def test_padding_of_past_and_source_changes_nothing(weights: DecoderWeights) -> None:
    given = feeds([3], [4])
    wide = {
        name: np.pad(value, [(0, 0), (0, 0), (0, 5), (0, 0)], constant_values=3)
        if value.ndim == 4
        else np.pad(value, [(0, 0), (0, 5)])
        if name.endswith("mask")
        else value
        for name, value in given.items()
    }
    alone, padded = run(weights, given), run(weights, wide)
    for name, value in alone.items():
        np.testing.assert_allclose(value, padded[name], atol=1e-5, err_msg=name)


def test_a_row_answers_alone_as_in_company(weights: DecoderWeights) -> None:
    given = feeds([5, 2, 0], [3, 6, 1])
    together = run(weights, given)
    for row in range(3):
        alone = run(weights, {name: value[row : row + 1] for name, value in given.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][row], atol=1e-5, err_msg=name)


def test_the_graph_is_small_and_valid(weights: DecoderWeights) -> None:
    graph = transformer_step.graph(weights)
    onnx.checker.check_model(graph)
    assert len(graph.graph.node) <= 95
    assert {entry.version for entry in graph.opset_import} == {18}

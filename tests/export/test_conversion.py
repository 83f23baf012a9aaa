from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export import conversion, graph, parity, saved_model
from export.drawing import Case
from export.errors import ConversionError, ParityError
from export.parity import Measure
from export.recipe import Endpoint, Recipe
from service.bundle import Signature, Tensor
from tests.export.toys import WORDS

Convert = Callable[[Endpoint], tuple[Signature, tuple[parity.Runner, parity.Runner]]]


@pytest.fixture
def convert(tmp_path: Path, bag: Callable[..., Recipe]) -> Convert:
    """Return a function that converts one endpoint and gives both sides; `bag` has loaded TensorFlow."""

    def convert(endpoint: Endpoint) -> tuple[Signature, tuple[parity.Runner, parity.Runner]]:
        saved_model.write([endpoint], tmp_path)
        loaded = saved_model.load(tmp_path)
        model = conversion.convert(loaded, endpoint.name)
        graph.conform(model, endpoint.inputs, endpoint.outputs)
        graph.write(model, tmp_path / "model.onnx")
        signature = Signature(
            file="model.onnx",
            saved_model_signature=endpoint.name,
            inputs=endpoint.inputs,
            outputs=endpoint.outputs,
        )
        return signature, (saved_model.runner(loaded, endpoint.name), graph.runner(tmp_path / "model.onnx"))

    return convert


def bidirectional() -> Endpoint:
    """Two LSTMs, one reads each row backwards from its end; both sequences are answered."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    table = tf.Variable(np.random.default_rng(0).standard_normal((20, 4)), dtype=tf.float32)
    forward, backward = (keras.layers.LSTM(3, return_sequences=True, use_cudnn=False) for _ in range(2))
    forward.build((None, None, 4))
    backward.build((None, None, 4))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32, name="ids"),
            tf.TensorSpec((None,), tf.int32, name="lengths"),
        ]
    )
    def read(ids: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.gather(table, ids)
        turned = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)
        back = tf.reverse_sequence(backward(turned), lengths, seq_axis=1, batch_axis=0)
        return {"states": tf.concat([forward(x), back], -1)}

    outputs = (Tensor(name="states", dtype="float32", shape=("batch", "time", 6)),)
    return Endpoint("read", read, WORDS, outputs)


def test_a_known_error_of_the_converter_passes_full_rows_and_is_refused_by_ragged_ones(
    convert: Convert,
) -> None:
    """tf2onnx 1.17 makes these two one bidirectional LSTM, which forgets where each row ends."""
    signature, sides = convert(bidirectional())
    full = [Case(1, {"time": 6}, 0)]
    assert parity.gate("read", signature, sides, Measure(), drawn=full).max_relative < 1e-6
    with pytest.raises(ParityError, match=r"signature 'read' \(.*ragged\): output 'states' differs"):
        parity.gate("read", signature, sides, Measure())


def test_an_operation_without_an_onnx_counterpart_is_refused(convert: Convert) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def blur(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x + tf.random.stateless_uniform(tf.shape(x), [1, 2])}

    tensor = Tensor(name="x", dtype="float32", shape=("batch",))
    endpoint = Endpoint("blur", blur, (tensor,), (tensor.model_copy(update={"name": "y"}),))
    with pytest.raises(ConversionError, match="No Op registered for StatelessRandomUniformV2"):
        convert(endpoint)


def test_tensors_keep_the_names_of_the_signature_whatever_their_order(convert: Convert) -> None:
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 2), tf.float32, name="zebra"),
            tf.TensorSpec((None, 2), tf.float32, name="ant"),
        ]
    )
    def subtract(zebra: tf.Tensor, ant: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"zebra_less": zebra - ant, "ant_twice": 2.0 * ant}

    pair = tuple(Tensor(name=name, dtype="float32", shape=("batch", 2)) for name in ("zebra", "ant"))
    answers = tuple(
        Tensor(name=name, dtype="float32", shape=("batch", 2)) for name in ("zebra_less", "ant_twice")
    )
    _, (saved, converted) = convert(Endpoint("subtract", subtract, pair, answers))
    feeds = {"zebra": np.full((1, 2), 5, np.float32), "ant": np.full((1, 2), 3, np.float32)}
    for side in (saved, converted):
        np.testing.assert_array_equal(side(feeds)["zebra_less"], [[2, 2]])
        np.testing.assert_array_equal(side(feeds)["ant_twice"], [[6, 6]])

"""The layers in NumPy against ONNX Runtime, TensorFlow and numerical differences.

They are oracles in turn: what the runtime and the framework answer is what these few lines of arithmetic say.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from export.handmade import Builder
from service.bundle import Tensor
from training.classify import numpy_layers as layers

CONVOLUTIONS = [
    (size, kernel, stride, padding)
    for size in ((7, 6), (8, 8))
    for kernel in ((3, 3), (2, 4), (1, 1))
    for stride in (1, 2, 3)
    for padding in ("same", "valid")
]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def run(build: Callable[[Builder], object], **feeds: np.ndarray) -> np.ndarray:
    """Return the output `y` of a graph of float inputs, run by ONNX Runtime."""
    builder = Builder()
    build(builder)
    inputs = [Tensor(name=key, dtype="float32", shape=value.shape) for key, value in feeds.items()]
    rank = tuple(f"axis_{each}" for each in range(4 if any(each.ndim == 4 for each in feeds.values()) else 2))
    model = builder.model("oracle", inputs, [Tensor(name="y", dtype="float32", shape=rank)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], feeds)[0]


def differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Return the gradient of a scalar function by central differences, in double precision."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-6
        gradient[place] = (function(at + step) - function(at - step)) / 2e-6
    return gradient


def test_dense_equals_gemm_of_the_runtime(rng: np.random.Generator) -> None:
    x, w, b = (rng.standard_normal(shape, np.float32) for shape in ((5, 7), (7, 3), (3,)))
    answer = run(lambda graph: graph.node("Gemm", "x", "w", "b", output="y"), x=x, w=w, b=b)
    np.testing.assert_allclose(layers.dense(x, w, b), answer, rtol=1e-5, atol=1e-6)


def test_gradients_of_dense_are_the_numerical_ones(rng: np.random.Generator) -> None:
    x, w, b, upstream = (rng.standard_normal(shape) for shape in ((5, 7), (7, 3), (3,), (5, 3)))
    found = layers.dense_gradients(x, w, upstream)
    for gradient, numerical in zip(
        found,
        (
            differences(lambda value: float((layers.dense(value, w, b) * upstream).sum()), x),
            differences(lambda value: float((layers.dense(x, value, b) * upstream).sum()), w),
            differences(lambda value: float((layers.dense(x, w, value) * upstream).sum()), b),
        ),
        strict=True,
    ):
        np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-8)


def test_relu_lets_through_what_is_above_zero(rng: np.random.Generator) -> None:
    x, upstream = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
    assert np.array_equal(layers.relu(np.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 2.0])
    numerical = differences(lambda value: float((layers.relu(value) * upstream).sum()), x)
    np.testing.assert_allclose(layers.relu_gradient(x, upstream), numerical, rtol=1e-6, atol=1e-8)


def test_softmax_of_huge_logits_sums_to_one() -> None:
    probabilities = layers.softmax(np.array([[1e4, 1e4, -1e4], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(probabilities, [[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])


def test_cross_entropy_and_its_gradient_are_those_of_tensorflow(rng: np.random.Generator) -> None:
    logits, classes = rng.standard_normal((6, 4)) * 3, rng.integers(0, 4, 6)
    with tf.GradientTape() as tape:
        watched = tf.constant(logits)
        tape.watch(watched)
        expected = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, watched))
    loss, gradient = layers.cross_entropy(logits, classes)
    assert loss == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(gradient, tape.gradient(expected, watched), rtol=1e-10, atol=1e-12)
    numerical = differences(lambda value: layers.cross_entropy(value, classes)[0], logits)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-8)


def test_dropout_keeps_the_mean_and_its_scale_is_its_gradient(rng: np.random.Generator) -> None:
    x = np.ones((200, 200))
    kept, scale = layers.dropout(x, 0.25, rng)
    assert set(np.unique(kept)) == {0.0, 1 / 0.75}
    assert kept.mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(kept, x * scale)
    same, ones = layers.dropout(x, 0.0, rng)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(ones, np.ones_like(x))


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), CONVOLUTIONS)
def test_convolution_and_its_gradients_equal_the_runtime_and_the_tape(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: str, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((2, *size, 3), np.float32)
    w, b = rng.standard_normal((*kernel, 3, 4), np.float32), rng.standard_normal(4, np.float32)

    def graph(builder: Builder) -> None:
        channels_first = builder.node("Transpose", "x", perm=[0, 3, 1, 2])
        filters_first = builder.node("Transpose", "w", perm=[3, 2, 0, 1])
        pads = "SAME_UPPER" if padding == "same" else "VALID"
        found = builder.node("Conv", channels_first, filters_first, "b", auto_pad=pads, strides=[stride] * 2)
        builder.node("Transpose", found, output="y", perm=[0, 2, 3, 1])

    answer = layers.convolve(x, w, b, stride=stride, padding=padding)
    np.testing.assert_allclose(answer, run(graph, x=x, w=w, b=b), rtol=1e-4, atol=1e-5)

    upstream = rng.standard_normal(answer.shape, np.float32)
    with tf.GradientTape() as tape:
        watched = [tf.constant(each) for each in (x, w, b)]
        tape.watch(watched)
        convolved = tf.nn.conv2d(watched[0], watched[1], stride, padding.upper()) + watched[2]
        total = tf.reduce_sum(convolved * upstream)
    found = layers.convolve_gradients(x, w, upstream, stride=stride, padding=padding)
    for gradient, expected in zip(found, tape.gradient(total, watched), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_a_convolution_are_the_numerical_ones(rng: np.random.Generator) -> None:
    x, w, b = rng.standard_normal((2, 5, 4, 2)), rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(3)
    upstream = rng.standard_normal(layers.convolve(x, w, b, stride=2, padding="same").shape)

    def loss(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
        return float((layers.convolve(x, w, b, stride=2, padding="same") * upstream).sum())

    of_x, of_w, of_b = layers.convolve_gradients(x, w, upstream, stride=2, padding="same")
    np.testing.assert_allclose(of_x, differences(lambda v: loss(v, w, b), x), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(of_w, differences(lambda v: loss(x, v, b), w), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(of_b, differences(lambda v: loss(x, w, v), b), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (3, 1), (2, 1)])
def test_max_pooling_and_its_gradient_equal_the_runtime_and_the_tape(
    size: int, stride: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((2, 7, 6, 3), np.float32)

    def graph(builder: Builder) -> None:
        channels_first = builder.node("Transpose", "x", perm=[0, 3, 1, 2])
        pooled = builder.node("MaxPool", channels_first, kernel_shape=[size] * 2, strides=[stride] * 2)
        builder.node("Transpose", pooled, output="y", perm=[0, 2, 3, 1])

    answer = layers.max_pool(x, size=size, stride=stride)
    np.testing.assert_array_equal(answer, run(graph, x=x))

    upstream = rng.standard_normal(answer.shape, np.float32)
    with tf.GradientTape() as tape:
        watched = tf.constant(x)
        tape.watch(watched)
        total = tf.reduce_sum(tf.nn.max_pool2d(watched, size, stride, "VALID") * upstream)
    found = layers.max_pool_gradient(x, upstream, size=size, stride=stride)
    np.testing.assert_allclose(found, tape.gradient(total, watched), rtol=1e-5, atol=1e-6)


def test_of_equal_values_in_a_window_the_first_gets_the_gradient() -> None:
    found = layers.max_pool_gradient(np.ones((1, 2, 2, 1)), np.ones((1, 1, 1, 1)))
    np.testing.assert_array_equal(found[0, :, :, 0], [[1, 0], [0, 0]])

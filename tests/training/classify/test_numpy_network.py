"""The network in NumPy: gradients through all layers, momentum, and weights on disk."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from training.classify.numpy_network import Momentum, Network


def test_gradients_through_all_layers_are_those_of_the_tape() -> None:
    rng = np.random.default_rng(2)
    network = Network((6, 5, 4, 3), dropout_rate=0.0, seed=1)
    inputs, classes = rng.standard_normal((8, 6), np.float32), rng.integers(0, 3, 8)
    loss, accuracy, gradients = network.gradients(inputs, classes, rng)
    watched = {name: tf.constant(value) for name, value in network.weights.items()}
    with tf.GradientTape() as tape:
        tape.watch(watched)
        hidden = tf.constant(inputs)
        for layer in range(3):
            hidden = hidden @ watched[f"weights_{layer}"] + watched[f"bias_{layer}"]
            hidden = tf.nn.relu(hidden) if layer < 2 else hidden
        expected = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, hidden))
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert accuracy == pytest.approx(float((hidden.numpy().argmax(axis=1) == classes).mean()))
    for name, gradient in tape.gradient(expected, watched).items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-4, atol=1e-6)


def test_dropout_changes_the_gradients_and_not_the_answer() -> None:
    rng = np.random.default_rng(2)
    network = Network((6, 64, 3), dropout_rate=0.5, seed=1)
    inputs, classes = rng.standard_normal((8, 6), np.float32), rng.integers(0, 3, 8)
    one, other = (network.gradients(inputs, classes, rng)[2]["weights_0"] for _ in range(2))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(network.logits(inputs), network.logits(inputs))


def test_momentum_goes_on_in_the_direction_of_the_last_step() -> None:
    optimizer, weights = Momentum(0.1, 0.5), {"w": np.zeros(1, np.float32)}
    optimizer.apply(weights, {"w": np.ones(1, np.float32)})
    np.testing.assert_allclose(weights["w"], [-0.1])
    optimizer.apply(weights, {"w": np.zeros(1, np.float32)})
    np.testing.assert_allclose(weights["w"], [-0.15])


def test_weights_and_velocities_come_back_from_disk(tmp_path: Path) -> None:
    network = Network((3, 2), dropout_rate=0.0, seed=1)
    network.optimizer.learning_rate = 0.25
    network.optimizer.apply(network.weights, {"bias_0": np.ones(2, np.float32)})
    network.save_weights(tmp_path / "w.h5")
    other = Network((3, 2), dropout_rate=0.0, seed=2)
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(other.weights["weights_0"], network.weights["weights_0"])
    np.testing.assert_array_equal(other.optimizer.velocities["bias_0"], [-0.25, -0.25])
    assert (other.optimizer.learning_rate, other.optimizer.iterations) == (0.25, 1)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    Network((3, 2), dropout_rate=0.0, seed=1).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="of a network of another shape"):
        Network((3, 4), dropout_rate=0.0, seed=1).load_weights(tmp_path / "w.h5")

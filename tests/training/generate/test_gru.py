"""The encoder-decoder: stepping is the same as reading at once, padding means nothing, and what it hears can be its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.generate import gru
from training.generate.gru import Chat, Shape

SOURCE = np.array([[4, 5, 6, 3], [7, 3, 0, 0]], np.int32)
TARGET = np.array([[2, 5, 6, 7, 8], [2, 9, 4, 4, 3]], np.int32)


@pytest.fixture(scope="module")
def model() -> Chat:
    keras.utils.set_random_seed(1)
    return gru.create(Shape(source_vocabulary=12, target_vocabulary=10, embedding=8, units=16))


def test_stepping_gives_the_logits_of_reading_at_once(model: Chat) -> None:
    whole = model({"source": SOURCE, "target": TARGET}).numpy()
    thought = model.encode(SOURCE)["thought"]
    h = tf.fill(thought.shape, 9.0)  # at position 0 it must not matter
    for position in range(TARGET.shape[1]):
        inputs = {"ids": TARGET[:, position : position + 1], "positions": np.full((2, 1), position, np.int32)}
        answer = model.step({**inputs, "h": h, "thought": thought})
        h = answer["h_out"]
        np.testing.assert_allclose(answer["logits"], whole[:, position], atol=1e-5)


def test_padding_of_a_question_means_nothing(model: Chat) -> None:
    alone = model.encode(SOURCE[1:, :2])["thought"]
    np.testing.assert_allclose(model.encode(SOURCE)["thought"][1:], alone, atol=1e-6)


def test_with_all_the_truth_both_ways_of_training_are_the_same(model: Chat) -> None:
    model.truth.assign(1.0)
    forced = model({"source": SOURCE, "target": TARGET}, training=True).numpy()
    thought = model.encode(SOURCE)["thought"]
    np.testing.assert_allclose(model._sampled(tf.constant(TARGET), thought), forced, atol=1e-5)


def test_without_the_truth_only_the_first_token_of_the_target_counts(model: Chat) -> None:
    model.truth.assign(0.0)
    other = TARGET.copy()
    other[:, 1:] = 1
    first = model({"source": SOURCE, "target": TARGET}, training=True).numpy()
    np.testing.assert_array_equal(model({"source": SOURCE, "target": other}, training=True), first)
    model.truth.assign(1.0)
    assert np.abs(model({"source": SOURCE, "target": other}, training=True) - first).max() > 1e-3


def test_replies_are_those_of_each_question_alone(model: Chat) -> None:
    sources = [[4, 5, 6, 3], [7, 3], [8, 9, 3]]
    together = gru.replies(model, sources, limit=6)
    assert together == [gru.replies(model, [source], limit=6)[0] for source in sources]
    assert all(len(reply) <= 6 and gru.END not in reply for reply in together)

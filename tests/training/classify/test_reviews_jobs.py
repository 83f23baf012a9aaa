"""The networks that classify reviews: their answers hang on the words alone, not on how a row was padded."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from training import words
from training.classify import reviews_attention, reviews_bilstm, sentiment
from training.classify.attention import AdditiveAttention, MultiHeadReading

CASES = [
    (reviews_bilstm, {}),
    (reviews_attention, {"attention": "additive"}),
    (reviews_attention, {"attention": "heads"}),
]
ROW = [5, 3, 9, 3, 7]


def network(job: Any, changes: dict[str, object], assets: Path) -> keras.Model:
    """Build a network of the smallest profile for twelve words and two labels."""
    tokenizer = words.learn(["a b c d e f g h i j"], 100)
    words.save(tokenizer, assets / sentiment.TOKENIZER)
    (assets / "labels.json").write_text(json.dumps(["negative", "positive"]))
    keras.utils.set_random_seed(3)
    settings = job.JOB.settings.model_validate({**job.JOB.profiles["smoke"], **changes})
    model: keras.Model = job.build(settings, assets)
    return model


@pytest.mark.parametrize(("job", "changes"), CASES)
def test_a_row_is_answered_alike_however_it_is_padded(
    job: Any, changes: dict[str, object], tmp_path: Path
) -> None:
    model = network(job, changes, tmp_path)
    bare = {name: value.numpy()[0] for name, value in model(np.array([ROW])).items()}
    for padded in ([*ROW, 0], [*ROW, 0, 0, 0, 0], [0, *ROW], [0, 0, 0, *ROW], [0, 0, *ROW, 0]):
        outputs = {name: value.numpy()[0] for name, value in model(np.array([padded])).items()}
        np.testing.assert_allclose(outputs["probabilities"], bare["probabilities"], atol=1e-6)
        if "attention" in outputs:
            valid = np.array(padded) != words.PAD
            np.testing.assert_allclose(outputs["attention"][valid], bare["attention"], atol=1e-6)
            assert not outputs["attention"][~valid].any()
            assert outputs["attention"].sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("job", "changes"), CASES)
def test_another_word_changes_the_answer(job: Any, changes: dict[str, object], tmp_path: Path) -> None:
    """Without this, padding would make no difference to a network that reads nothing either."""
    model = network(job, changes, tmp_path)
    one, other = (model(np.array([row]))["probabilities"].numpy() for row in (ROW, [*ROW[:-1], 8]))
    assert np.abs(one - other).max() > 1e-5


@pytest.mark.parametrize("layer", [AdditiveAttention(3), MultiHeadReading(2, 3)])
def test_attention_layers_are_made_again_from_what_was_saved(layer: Any, tmp_path: Path) -> None:
    given = keras.Input((None, 4))
    model = keras.Model(given, layer(given))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    values = np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
    for one, other in zip(model(values), again(values), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_attention_of_one_question_weighs_what_it_asks_for() -> None:
    """By hand: the question looks at the first number alone, so the word with the largest has the most weight."""
    layer = AdditiveAttention(1)
    layer.build((None, None, 2))
    layer.set_weights([np.array([[1.0], [0.0]]), np.zeros(1), np.array([[2.0]])])
    values = np.array([[[0.0, 5.0], [1.0, 7.0], [9.0, 9.0]]], np.float32)
    read, weights = layer(values, mask=np.array([[True, True, False]]))
    odds = np.exp([0.0, 2 * np.tanh(1.0), -np.inf])
    np.testing.assert_allclose(weights[0], odds / odds.sum(), rtol=1e-5)
    np.testing.assert_allclose(read[0], (odds / odds.sum()) @ values[0], rtol=1e-5)


def test_training_hides_words_but_never_padding() -> None:
    settings = reviews_bilstm.BilstmSettings(made=40, unknown=0.4, batch_size=40)
    data = sentiment.load(settings)
    ((ids, truth),) = sentiment.batches(data, settings, ("probabilities",))
    plain = data.ids(data.reviews.train)
    assert sorted((ids.numpy() != words.PAD).sum(axis=1)) == sorted((plain != words.PAD).sum(axis=1))
    hidden = (ids.numpy() == words.UNKNOWN).sum() / (plain != words.PAD).sum()
    assert 0.3 < hidden < 0.6
    assert truth["probabilities"].shape == (40,)

"""The character LSTM: stepping in parts, in ragged batches, is the same as reading at once."""

import keras
import numpy as np
import pytest

from training.generate import lstm
from training.generate.sampling import Way


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    return lstm.build(lstm.Shape(vocabulary=20, embedding=8, units=12))


IDS = np.random.default_rng(1).integers(1, 20, (3, 9)).astype(np.int32)


def test_a_character_does_not_see_those_after_it(model: keras.Model) -> None:
    changed = IDS.copy()
    changed[:, 5:] = 1
    np.testing.assert_allclose(model(IDS)[:, :5], model(changed)[:, :5], atol=1e-6)


def test_each_row_of_a_ragged_batch_gets_the_logits_of_its_last_character(model: keras.Model) -> None:
    lengths = np.array([9, 1, 4], np.int32)
    answer = lstm.step(model, {"ids": IDS, "lengths": lengths} | lstm.zero_states(model, 3))
    whole = model(IDS).numpy()
    np.testing.assert_allclose(answer["logits"], whole[[0, 1, 2], lengths - 1], atol=1e-5)


def test_reading_in_two_parts_is_reading_at_once(model: keras.Model) -> None:
    lengths = np.array([4, 2, 1], np.int32)
    first = lstm.step(model, {"ids": IDS[:, :4], "lengths": lengths} | lstm.zero_states(model, 3))
    states = {name: first[f"{name}_out"] for name in ("h_0", "c_0", "h_1", "c_1")}
    rest = np.stack([np.roll(row, -length)[:5] for row, length in zip(IDS, lengths, strict=True)])
    second = lstm.step(model, {"ids": rest, "lengths": np.array([5, 5, 5], np.int32)} | states)
    whole = model(IDS).numpy()
    np.testing.assert_allclose(second["logits"], whole[[0, 1, 2], lengths + 4], atol=1e-5)


def test_continuations_have_the_length_that_was_asked_for_and_repeat_with_their_seed(
    model: keras.Model,
) -> None:
    ways = [Way(), Way(0.5), Way(top_k=3)]
    drawn = [lstm.continuation(model, IDS, 15, ways, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert drawn[0].shape == (3, 15)
    assert len(set(drawn[0][0].tolist())) > 1


def test_the_likeliest_characters_follow_what_was_said_before(model: keras.Model) -> None:
    """Each of them is the likeliest after the prompt and all that were drawn."""
    (drawn,) = lstm.continuation(model, IDS[:1], 5, [Way(0)], np.random.default_rng(3))
    whole = model(np.concatenate([IDS[0], drawn])[None]).numpy()[0]
    np.testing.assert_array_equal(whole[len(IDS[0]) - 1 : -1].argmax(axis=1), drawn)

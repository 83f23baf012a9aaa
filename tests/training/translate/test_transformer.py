"""The Transformer: what it may see, what padding may not do, and that stepping is the same as reading at once."""

import keras
import numpy as np
import pytest

from training.translate import decoding, transformer
from training.translate.transformer import Shape, Transformer, sinusoids

RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def model() -> Transformer:
    keras.utils.set_random_seed(1)
    return transformer.create(Shape(40, 50, width=32, heads=8, feed_forward=24, depth=2))


def ids(rows: int, time: int, size: int = 40) -> np.ndarray:
    return RNG.integers(4, size, (rows, time)).astype(np.int32)


def test_logits_have_one_row_for_each_target_token(model: Transformer) -> None:
    assert model({"source": ids(3, 5), "target": ids(3, 7)}).shape == (3, 7, 50)


def test_a_token_does_not_see_those_after_it(model: Transformer) -> None:
    source, target = ids(2, 5), ids(2, 6)
    changed = target.copy()
    changed[:, 4:] = ids(2, 2)
    before = model({"source": source, "target": target}).numpy()
    after = model({"source": source, "target": changed}).numpy()
    np.testing.assert_allclose(before[:, :4], after[:, :4], atol=1e-6)
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


def test_padding_of_the_source_changes_nothing(model: Transformer) -> None:
    source, target = ids(2, 5), ids(2, 6)
    wide = np.pad(source, ((0, 0), (0, 4)))
    alone, padded = (model({"source": one, "target": target}).numpy() for one in (source, wide))
    np.testing.assert_allclose(alone, padded, atol=1e-5)


def test_steps_give_what_reading_at_once_gives(model: Transformer) -> None:
    """Row 1 is two tokens younger than row 0: its past is padded, and masked."""
    source, target = ids(2, 5), ids(2, 6)
    whole = model({"source": source, "target": target}).numpy()
    context = model.encode(source)
    age, late = 0, 2
    past = {f"past_{letter}_{i}": np.zeros((2, 8, 0, 4), np.float32) for i in range(2) for letter in "kv"}
    mask = np.zeros((2, 0), np.float32)
    for age in range(6):
        own = np.array([age, max(age - late, 0)])
        inputs = {
            "ids": target[[0, 1], own][:, None],
            "positions": own[:, None].astype(np.int32),
            "past_mask": mask,
        }
        answer = {name: value.numpy() for name, value in model.step(inputs | context | past).items()}
        np.testing.assert_allclose(answer["logits"][0], whole[0, age], atol=1e-4)
        if age >= late:
            np.testing.assert_allclose(answer["logits"][1], whole[1, age - late], atol=1e-4)
        past = {name: np.concatenate([old, answer[f"new_{name[5:]}"]], axis=2) for name, old in past.items()}
        mask = np.concatenate([mask, np.array([[1.0], [float(age >= late)]], np.float32)], axis=1)


def test_positions_are_sines_and_cosines() -> None:
    table = sinusoids(10, 8)
    np.testing.assert_allclose(table[3, 0], np.sin(3), rtol=1e-6)
    np.testing.assert_allclose(table[3, 1], np.cos(3), rtol=1e-6)
    np.testing.assert_allclose(table[3, 6], np.sin(3 / 10000 ** (6 / 8)), rtol=1e-6)


def test_greedy_answers_stand_in_the_order_of_their_sources(model: Transformer) -> None:
    sources = [[5, 6, 7, 3], [8, 3], [9, 10, 3]]
    together = decoding.greedy(model, sources, limit=6, batch_size=2)
    alone = [decoding.greedy(model, [source], limit=6)[0] for source in sources]
    assert together == alone
    assert all(len(answer) <= 6 and 3 not in answer for answer in together)

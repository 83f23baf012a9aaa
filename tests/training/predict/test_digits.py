"""Models of pictures in parts: what goes in and out of each, and where chance has a place."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.classify import pictures
from training.classify.pictures import Part
from training.predict import digits_autoencoder, digits_gan, digits_siamese, digits_vae


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).random((3, 28, 28, 1), np.float32)


def test_an_autoencoder_is_its_encoder_and_its_decoder(pixels: np.ndarray, tmp_path: Path) -> None:
    model = digits_autoencoder.build(digits_autoencoder.AutoencoderSettings(code=5), tmp_path)
    code = model.get_layer("encoder")(pixels)
    assert code.shape == (3, 5)
    np.testing.assert_allclose(model.get_layer("decoder")(code), model(pixels), rtol=1e-5)


def test_a_variational_autoencoder_draws_in_training_alone(pixels: np.ndarray, tmp_path: Path) -> None:
    model = digits_vae.build(digits_vae.VaeSettings(latent=4), tmp_path)
    np.testing.assert_array_equal(model(pixels, training=False), model(pixels, training=False))
    assert not np.array_equal(model(pixels, training=True), model(pixels, training=True))
    mean, _ = model.get_layer("encoder")(pixels)
    np.testing.assert_allclose(model.get_layer("decoder")(mean), model(pixels), rtol=1e-5)


def test_the_divergence_of_the_normal_distribution_is_nothing() -> None:
    draw = digits_vae.Draw(2.0)
    draw(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.float32))
    assert float(draw.losses[0]) == 0.0
    draw = digits_vae.Draw(2.0)
    draw(np.ones((5, 3), np.float32), np.zeros((5, 3), np.float32))
    assert float(draw.losses[0]) == pytest.approx(2.0 * 1.5)  # half a nat for each mean of 1


def test_a_way_between_two_codes_has_both_ends() -> None:
    way = digits_vae.between(np.zeros(2), np.ones(2), 3)
    np.testing.assert_array_equal(way, [[0, 0], [0.5, 0.5], [1, 1]])


def test_half_of_the_pairs_are_of_one_class_and_the_truth_is_told() -> None:
    classes = np.arange(100, dtype=np.int32) % 10
    part = Part(np.repeat(classes, 784).reshape(-1, 28, 28, 1).astype(np.float32), classes)
    pairs, truth = digits_siamese.draw_pairs(part, 2000, np.random.default_rng(1))
    same = pairs["first"][:, 0, 0, 0] == pairs["second"][:, 0, 0, 0]
    np.testing.assert_array_equal(same, truth[:, 0] == 1)
    assert 0.45 < same.mean() < 0.55


@pytest.mark.parametrize("loss", ["difference", "contrastive"])
def test_similarity_does_not_mind_the_order_and_is_greatest_for_the_same(
    loss: str, pixels: np.ndarray, tmp_path: Path
) -> None:
    model = digits_siamese.build(digits_siamese.SiameseSettings(loss=loss), tmp_path)
    there = model({"first": pixels[:1], "second": pixels[1:2]})
    back = model({"first": pixels[1:2], "second": pixels[:1]})
    np.testing.assert_allclose(there, back, rtol=1e-5)
    if loss == "contrastive":
        assert float(model({"first": pixels[:1], "second": pixels[:1]})[0, 0]) > float(there[0, 0])


def test_the_contrastive_loss_pulls_the_same_and_pushes_others_to_the_margin() -> None:
    loss = digits_siamese.contrastive(2.0)
    far, near = np.exp([[-3.0]]).astype(np.float32), np.exp([[-0.5]]).astype(np.float32)
    same, other = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    assert float(loss(same, far)[0]) == pytest.approx(9.0, rel=1e-5)
    assert float(loss(other, far)[0]) == 0.0
    assert float(loss(other, near)[0]) == pytest.approx(1.5**2, rel=1e-5)


def test_pairs_of_an_epoch_are_the_same_after_an_interruption() -> None:
    part = pictures.read(None).validation
    settings = digits_siamese.SiameseSettings(pairs=64)
    whole = digits_siamese.PairBatches(part, settings, 0)
    whole.on_epoch_end()
    continued = digits_siamese.PairBatches(part, settings, 1)
    np.testing.assert_array_equal(whole[0][0]["first"], continued[0][0]["first"])


def test_each_adversary_learns_by_its_own_weights(tmp_path: Path) -> None:
    settings = digits_gan.GanSettings(hidden=(8, 8), noise=4, batch_size=8)
    model = digits_gan.build(settings, tmp_path)
    model.compile(keras.optimizers.Adam(0.01))
    model.optimizer.build(model.trainable_variables)
    before = [weight.numpy() for weight in model.trainable_variables]
    values = model.train_step(np.zeros((8, 28, 28, 1), np.float32))
    assert set(values) == {"loss", "discriminator_loss"}
    changed = [
        not np.array_equal(one, other.numpy())
        for one, other in zip(before, model.trainable_variables, strict=True)
    ]
    assert all(changed)
    noise = np.zeros((2, 4), np.float32)
    np.testing.assert_array_equal(model.generator(noise), model.generator(noise))


def test_the_score_is_one_for_one_label_and_their_number_for_all() -> None:
    class Sure:
        def __init__(self, labels: list[int]) -> None:
            self._labels = labels

        def probabilities(self, pixels: np.ndarray) -> np.ndarray:
            return np.eye(4)[self._labels]

    made = np.zeros((8, 28, 28, 1))
    assert digits_gan.score(Sure([2] * 8), made) == pytest.approx(1.0)
    assert digits_gan.score(Sure([0, 1, 2, 3] * 2), made) == pytest.approx(4.0, rel=1e-6)

"""The network and what it is trained on."""

import json
from pathlib import Path

import keras
import numpy as np

from training.classify import pictures
from training.classify.digits_cnn import JOB, DigitsSettings, build, vary


def test_any_number_of_images_becomes_probabilities(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(["cat", "dog", "owl"]))
    model = build(DigitsSettings(), tmp_path)
    assert [tensor.name for tensor in model.inputs] == ["image"]
    answer = model.predict(np.random.default_rng(1).random((5, 28, 28, 1)), verbose=0)
    assert answer.shape == (5, 3)
    np.testing.assert_allclose(answer.sum(axis=1), 1.0, rtol=1e-5)


def test_nothing_random_is_inside_the_model(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(["0", "1"]))
    kinds = {type(layer).__name__ for layer in build(DigitsSettings(), tmp_path).layers}
    assert kinds == {
        "InputLayer", "Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "Flatten", "Dense", "Dropout",
    }  # fmt: skip


def test_varied_pictures_keep_class_and_range_and_differ_each_time() -> None:
    keras.utils.set_random_seed(1)
    part = pictures.read(None).validation
    batches = vary(part, DigitsSettings(batch_size=256))
    (first, first_classes), (second, _) = next(iter(batches)), next(iter(batches))
    assert sorted(first_classes.numpy()) == sorted(part.classes)
    assert (float(first.numpy().min()) >= 0, float(first.numpy().max()) <= 1) == (True, True)
    assert not np.array_equal(first.numpy(), second.numpy())


def test_examples_are_held_out_pictures_under_the_name_of_the_input(tmp_path: Path) -> None:
    data = pictures.read(None)
    JOB.save_assets(DigitsSettings(), data, tmp_path)
    with np.load(tmp_path / "examples.npz", allow_pickle=False) as examples:
        assert list(examples) == ["image"]
        np.testing.assert_array_equal(examples["image"], data.held_out.pixels[:64])

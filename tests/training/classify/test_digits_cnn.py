"""The network and what it is trained on."""

import json
from pathlib import Path

import numpy as np

from training.classify import pictures
from training.classify.digits_cnn import JOB, DigitsSettings, build


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


def test_examples_are_held_out_pictures_under_the_name_of_the_input(tmp_path: Path) -> None:
    data = pictures.read(None)
    JOB.save_assets(DigitsSettings(), data, tmp_path)
    with np.load(tmp_path / "examples.npz", allow_pickle=False) as examples:
        assert list(examples) == ["image"]
        np.testing.assert_array_equal(examples["image"], data.held_out.pixels[:64])

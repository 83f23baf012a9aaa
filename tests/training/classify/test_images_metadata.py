"""The network with two inputs and two outputs."""

from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.classify.test_items import write_items
from training import atomic
from training.__main__ import cli
from training.classify.images_metadata import AUGMENTATION, ItemsSettings, build, inputs_table

SMALL = ItemsSettings(filters=(4, 4, 4), hidden=32)


def test_both_inputs_reach_both_outputs(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "features.json", ["a", "b", "c"])
    atomic.write_json(tmp_path / "labels.json", ["x", "y"])
    keras.utils.set_random_seed(1)
    model = build(SMALL, tmp_path)
    rng = np.random.default_rng(1)
    model.get_layer("score").measure(np.array([[10.0], [30.0]]))
    inputs = {"image": rng.random((3, 64, 64, 3), np.float32), "numbers": rng.random((3, 3), np.float32)}
    before = model(inputs, training=False)
    assert {name: tuple(value.shape) for name, value in before.items()} == {
        "probabilities": (3, 2),
        "score": (3, 1),
    }
    np.testing.assert_allclose(np.sum(before["probabilities"], axis=1), 1, rtol=1e-5)
    assert (np.abs(np.asarray(before["score"]) - 20) < 40).all()  # in the unit of what was measured
    for name in inputs:
        after = model({**inputs, name: inputs[name][::-1] * 3}, training=False)
        assert not np.array_equal(before["probabilities"], after["probabilities"])
        assert not np.array_equal(before["score"], after["score"])


def test_augmentation_leaves_the_size_of_items_alone() -> None:
    assert (AUGMENTATION.zoom, AUGMENTATION.contrast) == (0, 0)


def test_the_table_tells_what_each_input_is_worth() -> None:
    names = ("accuracy", "score_r2")
    values = dict.fromkeys(names, 0.9)
    values |= {f"{name}_without_{what}": 0.25 for name in names for what in ("image", "numbers")}
    assert "| image of another | 0.250 | 0.250 |" in inputs_table(values)


def test_a_table_with_nan_ends_in_one_sentence_and_leaves_no_run(tmp_path: Path) -> None:
    data = write_items(tmp_path / "shop", (3, "2.png,nan,a,1,1"))
    arguments = ["images-metadata", "--data", str(data), "--runs", str(tmp_path / "runs"), "--run", "one"]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "row 3, column 'length': expected a finite number" in result.stderr
    assert not list((tmp_path / "runs").glob("*/*"))


@pytest.mark.parametrize("weights", [{"class_weight": 0}, {"score_weight": -1}])
def test_an_output_has_a_weight_above_nothing(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        ItemsSettings.model_validate(weights)

"""What each format keeps of a model."""

from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from export import formats
from export.__main__ import cli
from training.classify.numpy_network import Network


def build() -> keras.Model:
    inputs = keras.Input((2,), name="x")
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(inputs)))


@pytest.fixture
def model() -> keras.Model:
    """A model after one step of Adam."""
    model = build()
    model.compile("adam", lambda truth, answer: keras.ops.mean((truth - answer) ** 2))
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    return model


def test_each_format_keeps_what_it_says(model: keras.Model, tmp_path: Path) -> None:
    found = formats.compare(model, build, tmp_path)
    assert [(each.name, each.architecture, each.weights, each.optimizer, each.problem) for each in found] == [
        ("model.keras", True, True, True, None),
        ("model.weights.h5", False, True, True, None),
        ("saved_model", True, True, False, None),
    ]
    assert all(each.size_bytes > 0 and each.load_s > 0 for each in found)


def test_an_optimizer_that_was_not_written_is_not_claimed(model: keras.Model, tmp_path: Path) -> None:
    bare = build()
    bare.set_weights(model.get_weights())
    bare.save_weights(tmp_path / "bare.weights.h5")
    assert not formats._keeps_optimizer(model, (tmp_path / "bare.weights.h5").read_bytes())


def test_a_network_in_numpy_has_weights_alone(tmp_path: Path) -> None:
    def network() -> Network:
        return Network((4, 3), dropout_rate=0.0, seed=1)

    keras_file, weights, saved_model = formats.compare(network(), network, tmp_path)
    assert (weights.weights, weights.problem) == (True, None)
    assert keras_file.problem == saved_model.problem == "the model is not one of Keras"


def test_a_run_is_compared_and_its_files_stay_where_they_are_wanted(tmp_path: Path, digits_run: Path) -> None:
    target = tmp_path / "formats"
    result = CliRunner().invoke(cli, ["compare", str(digits_run), "--to", str(target)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in target.iterdir()) == [
        "model.keras",
        "model.weights.h5",
        "saved_model",
    ]
    assert result.output.count("kept") == 7
    again = CliRunner().invoke(cli, ["compare", str(digits_run), "--to", str(target)])
    assert (again.exit_code, "exists; choose another --to" in again.stderr) == (1, True)

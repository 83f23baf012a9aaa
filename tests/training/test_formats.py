"""A training goes on from each of the three formats. The job is the line of `conftest`."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

from training import epochlog
from training.errors import FormatError
from training.formats import begin_with, kind
from training.job import Job
from training.run import Record, Run
from training.train import reopen, train, train_exclusively


def losses(run: Run) -> list[float]:
    return [row["loss"] for row in epochlog.read(run.log)]


@pytest.fixture(scope="module")
def train_for(line: Job, record: Record, tmp_path_factory: pytest.TempPathFactory):
    """Return a function that trains the line for some epochs, from a file if one is given."""

    def trained(epochs: int, start: Path | None = None) -> Run:
        settings = line.settings(epochs=epochs, start=None if start is None else str(start))
        run = Run.create(tmp_path_factory.mktemp("runs") / "run", record, settings)
        return train(line, run, settings, Console(file=io.StringIO()))

    return trained


@pytest.fixture(scope="module")
def whole(train_for) -> list[float]:
    """The losses of six epochs without interruption."""
    return losses(train_for(6))


@pytest.fixture(scope="module")
def saved(line: Job, train_for, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of all three formats, of a training of three epochs."""

    class Opened(Run):
        settings = line.settings(epochs=3)  # `line` is in no table of jobs

    half = train_for(3)
    model = reopen(line, Opened(half.path, half.record, half.resolved))
    directory = tmp_path_factory.mktemp("saved")
    model.save(directory / "model.keras")
    model.save_weights(directory / "model.weights.h5")
    model.export(directory / "saved_model", format="tf_saved_model", verbose=False)
    return directory


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_with_the_optimizers_memory_a_training_goes_on_as_if_it_had_never_stopped(
    name: str, saved: Path, train_for, whole: list[float]
) -> None:
    assert losses(train_for(3, saved / name)) == pytest.approx(whole[3:], rel=1e-5)


def test_from_a_saved_model_a_training_goes_on_with_a_new_optimizer(
    saved: Path, train_for, whole: list[float]
) -> None:
    after = losses(train_for(3, saved / "saved_model"))
    assert after[0] < whole[2], "it begins where the other was"
    assert after != pytest.approx(whole[3:], rel=1e-5), "but Adam has forgotten"


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5", "saved_model"])
def test_the_weights_are_those_that_were_saved(name: str, saved: Path, line: Job) -> None:
    model = line.build(line.settings(), saved)
    model.compile(keras.optimizers.Adam(0.3), "mse")
    begin_with(model, saved / name)
    expected = keras.saving.load_model(saved / "model.keras").get_weights()
    for one, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3), "the new training's own"


def test_a_schedule_begins_anew(saved: Path, line: Job) -> None:
    model = line.build(line.settings(), saved)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.3, 12)), "mse")
    begin_with(model, saved / "model.keras")
    assert int(model.optimizer.iterations) == 0
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3)


def test_weights_of_another_model_are_refused_and_leave_no_run(
    saved: Path, line: Job, run: Run, console: Console, tmp_path: Path
) -> None:
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save_weights(tmp_path / "other.weights.h5")
    settings = line.settings(start=str(tmp_path / "other.weights.h5"))
    with pytest.raises(FormatError, match="does not fit this model") as refused:
        train_exclusively(line, run, settings, console)
    assert "\n" not in str(refused.value)
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("name", "problem"), [("model.h5", "is none of"), ("absent.keras", "does not exist")]
)
def test_what_is_no_known_format_is_refused(name: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    with pytest.raises(FormatError, match=f"--from .*{name} {problem}.*expected a .keras file"):
        kind(tmp_path / name)


def test_a_model_that_is_not_one_of_keras_takes_weights_alone(saved: Path) -> None:
    with pytest.raises(FormatError, match=r"takes \.weights\.h5 alone"):
        begin_with(object(), saved / "model.keras")

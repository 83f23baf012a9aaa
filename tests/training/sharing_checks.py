"""What `test_sharing` checks: batches shared by the devices of one machine. Several machines are in `test_workers`."""

import dataclasses

import keras
import numpy as np
import pytest

from training import epochlog
from training.epochs import train_epochs
from training.errors import StrategyError
from training.run import Run
from training.sharing import agree, mirrored
from training.train import train, train_exclusively


def test_what_a_strategys_variables_hold_is_read_written_and_restored(
    line, record, tmp_path, console
) -> None:
    """The learning rate of a plateau, the checkpoint, the best weights; the model itself is then one alone."""
    settings = line.settings(epochs=8, plateau_patience=1, plateau_factor=0.1, learning_rate=2.0)
    run = Run.create(tmp_path / "shared", record, settings)
    with pytest.raises(KeyboardInterrupt):
        train(line, run, settings.model_copy(update={"stop_after": 7}), console, mirrored(None))
    finished = train(line, Run.open(run.path), settings, console, mirrored(None))
    rates = [row["learning_rate"] for row in epochlog.read(run.log)]
    assert (len(rates), rates[0]) == (8, 2.0)
    assert rates[7] <= rates[6] < 2.0, "a continued training keeps the lowered rate"
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    error = float(np.square(line.restore(finished).predict(x, verbose=0) - (3 * x + 1)).mean())
    assert error == pytest.approx(finished.metrics["error"], rel=1e-5)


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(StrategyError, match=r"devices (must be chosen before|are asked for)"):
        mirrored(64)


def test_a_loop_of_a_jobs_own_is_refused_and_leaves_no_run(line, run, settings, console) -> None:
    def fit(model, settings, data, loop) -> None:
        train_epochs(model, settings, loop, steps=1, train=lambda _: [], validate=dict)

    job = dataclasses.replace(line, fit=fit)
    with pytest.raises(StrategyError, match="a loop of its own, which no strategy shares"):
        train_exclusively(job, run, settings, console, mirrored(None))
    assert not run.path.exists()


def test_a_model_that_is_not_one_of_keras_is_refused(line, run, settings, console) -> None:
    job = dataclasses.replace(line, build=lambda *_: object())
    with pytest.raises(StrategyError, match="not one of Keras"):
        train_exclusively(job, run, settings, console, mirrored(None))
    assert not run.path.exists()


def test_a_model_with_a_step_of_its_own_is_refused(line, run, settings, console) -> None:
    class Own(keras.Model):
        def train_step(self, data):
            raise AssertionError

    job = dataclasses.replace(line, build=lambda *_: Own())
    with pytest.raises(StrategyError, match="a step of its own"):
        train_exclusively(job, run, settings, console, mirrored(None))
    assert not run.path.exists()


def test_one_alone_agrees_with_itself() -> None:
    assert agree(None, "anything")
    assert agree(mirrored(None), "anything")

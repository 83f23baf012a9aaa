"""The job in NumPy: what it learns from, and that a continued training is an undisturbed one."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

from training import checkpoint
from training.classify.digits_scratch import JOB, ScratchSettings, move
from training.classify.numpy_network import Network
from training.classify.pictures import Pictures
from training.job import Loop
from training.run import Record, Run
from training.train import train


def new_run(path: Path, settings: ScratchSettings) -> Run:
    record = Record(
        job=JOB.name, word="classify", run=path.name, profile="smoke", seed=1, status="running", libraries={},
        command="train", started=datetime(2026, 7, 14, tzinfo=UTC), revision="unknown",
    )  # fmt: skip
    return Run.create(path, record, settings)


def test_moved_pictures_keep_their_strokes_where_they_fit() -> None:
    one = np.zeros((1, 28, 28, 1), np.float32)
    one[0, 10, 10, 0] = 1
    places = {
        tuple(np.argwhere(move(one, 2, np.random.default_rng(seed))[0, :, :, 0])[0]) for seed in range(200)
    }
    assert places == {(row, column) for row in range(8, 13) for column in range(8, 13)}
    np.testing.assert_array_equal(move(one, 0, np.random.default_rng(1)), one)


class Stop(keras.callbacks.Callback):
    """Ends the second epoch as a kill would."""

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_continued_training_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    settings = ScratchSettings(epochs=3, hidden=(8,))
    console = Console(file=io.StringIO())
    undisturbed = train(JOB, new_run(tmp_path / "one", settings), settings, console)

    def fit(model: Network, settings: ScratchSettings, data: Pictures, loop: Loop) -> None:
        JOB.fit(model, settings, data, replace(loop, callbacks=[*loop.callbacks, Stop()]))

    killed = new_run(tmp_path / "two", settings)
    with pytest.raises(KeyboardInterrupt):
        train(replace(JOB, fit=fit), killed, settings, console)
    assert checkpoint.read(killed.checkpoint).epochs_done == 1
    continued = train(JOB, Run.open(killed.path), settings, console)
    for name, value in JOB.restore(undisturbed).weights.items():
        np.testing.assert_allclose(JOB.restore(continued).weights[name], value, rtol=1e-6)

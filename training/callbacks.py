"""Keras callbacks that every job trains with: stop on NaN, log, checkpoint, stop early, slow down.

Knows Keras and the files of a run, nothing of a job. The order in `for_run` matters: a checkpoint never
lacks its row in the log, and nothing is written for an epoch whose loss is not a number.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Literal

import keras
from rich.console import Console

from training import atomic, checkpoint, epochlog
from training.errors import Diverged, RunError
from training.formats import begin_with
from training.histograms import Histograms
from training.job import Job, Loop, Settings
from training.patience import judge
from training.progress import Progress
from training.run import Run

Logs = dict[str, Any] | None


def for_run(job: Job[Any, Any], run: Run, settings: Settings, console: Console) -> Loop:
    """Return what the job hands to `model.fit` to train, or to go on training, in `run`."""
    keeper = Keeper(run, settings, monitor=job.monitor, mode=job.mode)
    standing = keeper.standing
    board = keras.callbacks.TensorBoard(run.tensorboard, write_graph=False, profile_batch=0)
    progress = Progress(console, epochs=settings.epochs, done=standing.epochs_done)
    every = settings.histograms
    shapes = [] if every is None else [Histograms(run.tensorboard / "weights", every)]
    log = EpochLog(run, standing.epochs_done)
    return Loop(
        callbacks=[StopOnNaN(), LearningRate(), log, board, *shapes, keeper, progress],
        pictures=run.pictures,
        initial_epoch=settings.epochs if standing.stopped else standing.epochs_done,
    )


def close(loop: Loop) -> None:
    """Let go of the terminal when `fit` has ended in any way; Keras tells callbacks only of good ends."""
    for callback in loop.callbacks:
        if isinstance(callback, Progress):
            callback.close()


class StopOnNaN(keras.callbacks.Callback):
    """End training with Diverged as soon as a loss is not finite."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss of the batch."""
        self._check(f"batch {batch + 1}", logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Look at the losses of the epoch."""
        self._check(f"epoch {epoch + 1}", logs)

    def _check(self, moment: str, logs: Logs) -> None:
        for name in ("loss", "val_loss"):
            value = float((logs or {}).get(name, 0.0))
            if not math.isfinite(value):
                raise Diverged(f"{name} became {value} in {moment}; a lower learning_rate may help")


class LearningRate(keras.callbacks.Callback):
    """Add the learning rate to what is logged of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Write into the dictionary that the later callbacks read."""
        if logs is not None:
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


class EpochLog(keras.callbacks.Callback):
    """Keep `log.csv`; rows of epochs that are trained again after a kill are dropped."""

    def __init__(self, run: Run, epochs_done: int) -> None:
        super().__init__()
        self._path = run.log
        self._rows = [row for row in epochlog.read(run.log) if row["epoch"] <= epochs_done]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add a row; epochs count from 1."""
        self._rows.append({"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}})
        epochlog.write(self._path, self._rows)


class Keeper(keras.callbacks.Callback):
    """Keep the best weights and the last epoch; stop early and lower the learning rate as settings say.

    When training begins the last epoch is restored, its optimizer included; when it ends the model has
    the best weights.
    """

    def __init__(self, run: Run, settings: Settings, *, monitor: str, mode: Literal["min", "max"]) -> None:
        super().__init__()
        self._run, self._settings, self._monitor, self._mode = run, settings, monitor, mode
        self.standing = checkpoint.read(run.checkpoint)
        self._started_s = time.monotonic() - self.standing.seconds

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Restore the last epoch if there is one, or else begin as settings say."""
        self._run.checkpoint.mkdir(exist_ok=True)
        self._started_s = time.monotonic() - self.standing.seconds
        if self.standing.epochs_done:
            # Without its variables the optimizer would silently stay new.
            self.model.optimizer.build(self.model.trainable_variables)
            self.model.load_weights(checkpoint.weights(self._run.checkpoint, self.standing))
        elif self._settings.start is not None:
            begin_with(self.model, Path(self._settings.start))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Judge the epoch, write what it left, and act on the verdict."""
        value = (logs or {}).get(self._monitor)
        if value is None:
            raise RunError(f"the job monitors '{self._monitor}', which epoch {epoch + 1} did not log")
        seconds = time.monotonic() - self._started_s
        verdict = judge(self.standing, float(value), self._settings, self._mode, seconds)
        if verdict.reduce:
            optimizer = self.model.optimizer
            rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            optimizer.learning_rate = rate * self._settings.plateau_factor
        if verdict.improved:
            atomic.write(self._run.best_weights, self.model.save_weights)
        # Before the standing that names them: see `checkpoint`.
        atomic.write(checkpoint.weights(self._run.checkpoint, verdict.standing), self.model.save_weights)
        checkpoint.write(self._run.checkpoint, verdict.standing)
        self.standing = verdict.standing
        self.model.stop_training = self.standing.stopped

    def on_train_end(self, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Leave the best weights in the model."""
        if self.standing.epochs_done:
            self.model.load_weights(self._run.best_weights)

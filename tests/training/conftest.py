"""A job that trains a straight line in milliseconds, for tests of the harness."""

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from pydantic import PositiveInt
from rich.console import Console

from training import atomic
from training.job import Expectation, Job, Loop, Settings, Summary
from training.run import Record, Run


class LineSettings(Settings):
    """Settings of the job `line`."""

    epochs: PositiveInt = 6
    learning_rate: float = 0.05
    stop_after: int | None = None


@dataclass(frozen=True)
class Line:
    """y = 3x + 1, without noise."""

    x: np.ndarray
    y: np.ndarray

    @property
    def summary(self) -> Summary:
        return Summary("a line", {"train": len(self.x)})


class KillAfter(keras.callbacks.Callback):
    """Ends training after an epoch, as a kill would: nothing else is told."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch + 1 == self._epoch:
            raise KeyboardInterrupt


def _load(settings: LineSettings) -> Line:
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    return Line(x, 3 * x + 1)


def _build(settings: LineSettings, assets: Path) -> keras.Model:
    x = keras.Input((1,), name="x")
    hidden = keras.layers.Dense(4, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(1)(hidden))


def _fit(model: keras.Model, settings: LineSettings, data: Line, loop: Loop) -> None:
    model.compile(keras.optimizers.Adam(settings.learning_rate), "mse")
    kill = [] if settings.stop_after is None else [KillAfter(settings.stop_after)]
    model.fit(
        data.x, data.y, validation_data=(data.x, data.y), shuffle=False, batch_size=8, verbose=0,
        epochs=settings.epochs, initial_epoch=loop.initial_epoch, callbacks=[*loop.callbacks, *kill],
    )  # fmt: skip


def _evaluate(model: keras.Model, settings: LineSettings, data: Line, plots: Path) -> dict[str, float]:
    error = float(np.square(model.predict(data.x, verbose=0) - data.y).mean())
    return {"error": error}


@pytest.fixture(scope="session")
def line() -> Job[LineSettings, Line]:
    """The job: `stop_after` ends it after so many epochs as a kill would."""
    return Job(
        name="line",
        word="score",
        settings=LineSettings,
        profiles={"quick": {}, "full": {"epochs": 20}, "smoke": {"epochs": 2}},
        expected=(Expectation("error", at_most=10.0),),
        load=_load,
        save_assets=lambda settings, data, directory: atomic.write_json(directory / "line.json", [3, 1]),
        build=_build,
        fit=_fit,
        evaluate=_evaluate,
    )


@pytest.fixture(scope="session")
def record() -> Record:
    """What a new run says of itself."""
    return Record(
        job="line", word="score", run="one", profile="quick", seed=1, status="running", command="train",
        started=datetime(2026, 7, 14, tzinfo=UTC), revision="unknown", libraries={},
    )  # fmt: skip


@pytest.fixture(scope="session")
def settings() -> LineSettings:
    """The defaults."""
    return LineSettings()


@pytest.fixture
def run(tmp_path: Path, record: Record, settings: LineSettings) -> Run:
    """A new run."""
    return Run.create(tmp_path / "one", record, settings)


@pytest.fixture(scope="session")
def console() -> Console:
    """Nobody watches."""
    return Console(file=io.StringIO())

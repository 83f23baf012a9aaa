"""What comes next in a series: a recurrent network over a window of its past.

    python -m training waves-lstm                          two waves and noise, about 20 s on 2 cores
    python -m training waves-lstm --set cell=gru           or `lstm`, `bilstm`
    python -m training waves-lstm --set schedule=warmup    or `cosine`, `exponential`, `plateau`, `steps`, `constant`
    python -m training waves-lstm --data series.csv        a header, a column `value`, the oldest first

Expected R2, held out: 0.95 (quick; the noise leaves 0.984). Knows nothing of the other jobs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
from pydantic import Field, PositiveInt, model_validator

from training import atomic, plots
from training.job import Expectation, Job, Loop, Profile, Settings
from training.predict import waves
from training.predict.waves import Waves

Schedule = Literal["constant", "exponential", "cosine", "warmup", "plateau", "steps"]


class WavesSettings(Settings):
    """Settings of `waves-lstm`; `window` values of the past are looked at.

    Schedules of the learning rate: `exponential` to a hundredth at the end, `cosine` to 0, `warmup` over the first
    tenth and then as the cosine, `plateau` by `plateau_factor` after `plateau_patience` epochs without a better one,
    `steps` to a half after every fifth of the epochs.
    """

    epochs: PositiveInt = 15
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-3
    window: Annotated[int, Field(ge=2, le=1000)] = 40
    cell: Literal["lstm", "bilstm", "gru"] = "lstm"
    units: PositiveInt = 32
    schedule: Schedule = "cosine"

    @model_validator(mode="after")
    def _plateau_has_patience(self) -> "WavesSettings":
        if (self.schedule == "plateau") is (self.plateau_patience is None):
            raise ValueError("schedule 'plateau' needs plateau_patience, and no other schedule takes it")
        return self


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 80, "units": 64},
    "smoke": {"epochs": 2, "units": 4, "batch_size": 256},
}


def load(settings: WavesSettings) -> Waves:
    """Make or read the series."""
    return waves.read(settings.data, settings.window)


def save_assets(settings: WavesSettings, data: Waves, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep some held-out windows."""
    atomic.write_arrays(directory / "examples.npz", {"series": data.held_out.past[:64]})


def build(settings: WavesSettings, assets: Path) -> keras.Model:  # noqa: ARG001  # see Job
    """Make the model: series [batch, window, 1], the newest value last, to the next value [batch, 1]."""
    series = keras.Input((settings.window, 1), name="series")
    if settings.cell == "gru":
        recurrent: Any = keras.layers.GRU(settings.units)
    else:
        recurrent = keras.layers.LSTM(settings.units)
        if settings.cell == "bilstm":
            recurrent = keras.layers.Bidirectional(recurrent)
    return keras.Model(series, keras.layers.Dense(1, name="next")(recurrent(series)), name="waves_lstm")


def rate_of(settings: WavesSettings, steps: int) -> Any:
    """Return the learning rate as Adam takes it: a number, or a function of its step; `steps` make an epoch."""
    first, total = settings.learning_rate, steps * settings.epochs
    schedules = keras.optimizers.schedules
    rates: dict[Schedule, Callable[[], Any]] = {
        "constant": lambda: first,
        "plateau": lambda: first,
        "exponential": lambda: schedules.ExponentialDecay(first, total, 0.01),
        "cosine": lambda: schedules.CosineDecay(first, total),
        "warmup": lambda: schedules.CosineDecay(
            first / 100, total - total // 10, warmup_target=first, warmup_steps=total // 10
        ),
        "steps": lambda: schedules.ExponentialDecay(first, max(1, total // 5), 0.5, staircase=True),
    }
    return rates[settings.schedule]()


def fit(model: keras.Model, settings: WavesSettings, data: Waves, loop: Loop) -> None:
    """Train to make the squared error of the next value small."""
    steps = -(-len(data.train) // settings.batch_size)
    model.compile(keras.optimizers.Adam(rate_of(settings, steps)), "mse")
    model.fit(
        data.train.past,
        data.train.following,
        batch_size=settings.batch_size,
        validation_data=(data.validation.past, data.validation.following),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def evaluate(model: keras.Model, settings: WavesSettings, data: Waves, directory: Path) -> dict[str, float]:
    """Measure the error on the held-out end of the series; draw it, and a way ahead on the model's own answers."""
    truth = data.held_out.following[:, 0]
    answers = model.predict(data.held_out.past, batch_size=settings.batch_size, verbose=0)[:, 0]
    shown = 200
    plots.curves(
        {"series": list(enumerate(truth[:shown])), "predicted": list(enumerate(answers[:shown]))},
        directory / "predicted.png", "Held out, one step ahead", "time", "value",
    )  # fmt: skip
    ahead = go_on(model, data.held_out.past[0], shown)
    plots.curves(
        {"series": list(enumerate(truth[:shown])), "on its own answers": list(enumerate(ahead))},
        directory / "ahead.png", "Held out, many steps ahead", "time", "value",
    )  # fmt: skip
    error = np.square(truth - answers).mean()
    return {"r2": float(1 - error / truth.var()), "rmse": float(np.sqrt(error))}


def go_on(model: keras.Model, past: np.ndarray, count: int) -> list[float]:
    """Return `count` values, each predicted from a window [window, 1] that ends with those before it."""
    window, values = past[None].copy(), []
    for _ in range(count):
        value = float(model(window, training=False)[0, 0])
        values.append(value)
        window = np.concatenate([window[:, 1:], [[[value]]]], axis=1).astype(np.float32)
    return values


JOB = Job(
    name="waves-lstm",
    word="predict",
    settings=WavesSettings,
    profiles=PROFILES,
    expected=(Expectation("r2", at_least=0.95),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

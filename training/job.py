"""What a training job is: its settings and the functions that the harness calls, in the order it calls them.

Knows no job and no file name. `load` → `save_assets` → `build` → `fit` → `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

if TYPE_CHECKING:
    import keras

    from training.run import Run

Profile = Literal["quick", "full", "smoke"]
Word = Literal["classify", "generate", "translate", "score", "predict"]


class Settings(BaseModel):
    """The settings that every job has; a job adds its own in a subclass.

    `patience` and `plateau_patience` count epochs without a better value of the job's monitored metric,
    after which training stops, or the learning rate is multiplied by `plateau_factor`; None switches
    either off (a job with a learning-rate schedule must leave `plateau_patience` None).
    `data` is what `--data` names; None is the job's own default. `start` is what `--from` names: the file to begin
    with instead of weights drawn at random. `histograms` writes those of all weights for TensorBoard after each so many
    epochs. `deterministic` asks TensorFlow for
    operations that give the same bits on every run, which costs time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    profile: Profile = "quick"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    epochs: PositiveInt = 10
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3
    patience: PositiveInt | None = None
    plateau_patience: PositiveInt | None = None
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    data: str | None = None
    start: str | None = None
    histograms: PositiveInt | None = None
    deterministic: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What was trained on: `source` in words for people, and the number of examples in each part."""

    source: str
    sizes: Mapping[str, int]


class Data(Protocol):
    """What `load` returns: a frozen dataclass of the job's own that at least says what it holds."""

    @property
    def summary(self) -> Summary:
        """Where the data come from, and how many examples there are."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a metric on held-out data should reach with the job's default data."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, value: float) -> bool:
        """Whether `value` is within both bounds; NaN never is."""
        above = self.at_least is None or value >= self.at_least
        below = self.at_most is None or value <= self.at_most
        return above and below and value == value  # noqa: PLR0124  # only NaN differs from itself

    def __str__(self) -> str:
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Loop:
    """What a job hands to `model.fit`: `model.fit(..., callbacks=loop.callbacks,
    initial_epoch=loop.initial_epoch, epochs=settings.epochs, verbose=0)`.

    The callbacks restore an interrupted training when it begins (the model must be compiled by then) and
    leave the best weights in the model when it ends. `pictures` is a directory for pictures of epochs, which a job
    makes if it draws any.
    """

    callbacks: list[Any]
    initial_epoch: int = 0
    pictures: Path | None = None


S = TypeVar("S", bound=Settings)
D = TypeVar("D", bound=Data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[S, D]):
    """A training job as a literal table of functions.

    `load(settings)` reads the data, the same for the same settings, and raises DataError.
    `save_assets(settings, data, directory)` writes everything beside weights that `build` and export
    need: labels, tokenizers, and `examples.npz` with real held-out inputs by input name.
    `build(settings, assets)` makes the untrained, uncompiled model from these alone.
    `fit(model, settings, data, loop)` compiles and trains it, as `Loop` describes.
    `evaluate(model, settings, data, plots)` returns metrics on held-out data, and writes pictures
    into the directory `plots`.
    `monitor` is the logged metric that decides which weights are best; `mode` which direction is better.
    """

    name: str
    word: Word
    settings: type[S]
    profiles: Mapping[Profile, Mapping[str, object]]
    expected: tuple[Expectation, ...]
    load: Callable[[S], D]
    save_assets: Callable[[S, D, Path], None]
    build: Callable[[S, Path], keras.Model]
    fit: Callable[[keras.Model, S, D, Loop], None]
    evaluate: Callable[[keras.Model, S, D, Path], dict[str, float]]
    monitor: str = "val_loss"
    mode: Literal["min", "max"] = field(default="min")

    def restore(self, run: Run) -> keras.Model:
        """Build the model of a run of this job and load its best weights."""
        model = self.build(self.settings.model_validate(run.resolved), run.assets)
        model.load_weights(run.best_weights)
        return model

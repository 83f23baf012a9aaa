"""Decide after each epoch whether it was the best, whether to slow down and whether to stop.

Pure functions of numbers; knows nothing of Keras or files.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from training.job import Settings


class Standing(BaseModel):
    """Where a training stands after `epochs_done` epochs; this is what a checkpoint remembers.

    `waited` counts epochs since the best one, `since_reduction` those since the best one or the last
    reduction of the learning rate. `seconds` counts all attempts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs_done: int = 0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    since_reduction: int = 0
    stopped: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after an epoch, and the new standing."""

    standing: Standing
    improved: bool
    reduce: bool


def judge(
    standing: Standing, value: float, settings: Settings, mode: Literal["min", "max"], seconds: float
) -> Verdict:
    """Return what follows from the monitored `value` of the next epoch; `seconds` is the time so far."""
    improved = standing.best is None or (value < standing.best if mode == "min" else value > standing.best)
    epoch = standing.epochs_done + 1
    waited = 0 if improved else standing.waited + 1
    since = 0 if improved else standing.since_reduction + 1
    reduce = settings.plateau_patience is not None and since >= settings.plateau_patience
    after = Standing(
        epochs_done=epoch,
        best=value if improved else standing.best,
        best_epoch=epoch if improved else standing.best_epoch,
        waited=waited,
        since_reduction=0 if reduce else since,
        stopped=settings.patience is not None and waited >= settings.patience,
        seconds=seconds,
    )
    return Verdict(after, improved, reduce)

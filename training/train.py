"""Take a job from its data to a complete run.

Knows the order of a training, nothing of any job. Whatever is interrupted is continued by `train` on the
same run: data and assets are read again, epochs and their optimizer are restored.
"""

from __future__ import annotations

import math
import time
from typing import Any

from rich.console import Console

from training import atomic, callbacks, checkpoint, epochlog, lock, plots, seeds
from training.errors import DataError, Diverged, FormatError, RunError, StrategyError
from training.formats import load_weights
from training.job import Job, Loop, Settings
from training.run import DataRecord, Run
from training.sharing import Sharing, agree, taking_part


def train_exclusively(
    job: Job[Any, Any], run: Run, settings: Settings, console: Console, sharing: Sharing | None = None
) -> Run:
    """Train as the only process in `run`; one in which nothing was trained, for its arguments were wrong, is discarded."""
    try:
        with lock.exclusive(run.path):
            return train(job, run, settings, console, sharing)
    except (DataError, FormatError, StrategyError):
        if run.record.data is None:
            run.discard()  # nothing was trained: the name stays free
        raise
    except Diverged:
        Run.open(run.path).update(status="failed")
        raise


def train(
    job: Job[Any, Any], run: Run, settings: Settings, console: Console, sharing: Sharing | None = None
) -> Run:
    """Train `job` in `run` until it is complete, on several devices with `sharing`; raises TrainingError."""
    atomic.sweep(run.path)
    done = checkpoint.read(run.checkpoint)
    started_s = time.monotonic() - done.seconds
    seeds.plant(settings.seed, deterministic=settings.deterministic)
    data = job.load(settings)
    run = _remember_data(run, DataRecord(source=data.summary.source, sizes=dict(data.summary.sizes)), sharing)
    if not run.assets.exists():
        with atomic.directory(run.assets) as assets:
            job.save_assets(settings, data, assets)
    # Another seed than at the start, or a continued training would repeat the order of its first epochs.
    seeds.plant(settings.seed + done.epochs_done, deterministic=settings.deterministic)
    with taking_part(sharing, lambda: job.build(settings, run.assets)) as model:
        run = run.update(parameters=model.count_params())
        _fit(job, model, data, callbacks.for_run(job, run, settings, console), settings)
        # `fit` may have added to the best weights, such as a threshold that is measured at the end.
        atomic.write(run.best_weights, model.save_weights)
    if sharing is not None:
        model = job.restore(run)  # evaluation is not shared
    with atomic.directory(run.plots) as pictures:
        rows = epochlog.read(run.log)
        plots.learning_curves(rows, pictures / "learning-curves.png")
        plots.learning_rate(rows, pictures / "learning-rate.png")
        metrics = job.evaluate(model, settings, data, pictures)
    _refuse_nan(metrics)
    return run.finish(metrics, time.monotonic() - started_s)


def reopen(job: Job[Any, Any], run: Run) -> Any:
    """Return the model of a complete run as training left it: compiled, with its optimizer's memory and best weights.

    Reads the data again, for `fit` alone knows how a model is compiled; it is told that no epoch is left.
    """
    settings = run.settings
    model = job.build(settings, run.assets)
    job.fit(model, settings, job.load(settings), Loop([], initial_epoch=settings.epochs))
    load_weights(model, run.best_weights)
    return model


def _fit(job: Job[Any, Any], model: Any, data: Any, loop: Loop, settings: Settings) -> None:
    try:
        job.fit(model, settings, data, loop)
    finally:
        callbacks.close(loop)


def _remember_data(run: Run, data: DataRecord, sharing: Sharing | None) -> Run:
    if not agree(sharing, data.model_dump_json()):
        raise StrategyError("the workers have read different data")
    if run.record.data is not None and run.record.data != data:
        raise RunError(f"the data of run {run.path} have changed since it began; start a new run")
    return run.update(data=data)


def _refuse_nan(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"held-out {name} is {value}")

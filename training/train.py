"""Take a job from its data to a complete run.

Knows the order of a training, nothing of any job. Whatever is interrupted is continued by `train` on the
same run: data and assets are read again, epochs and their optimizer are restored.
"""

from __future__ import annotations

import math
import time
from typing import Any

from rich.console import Console

from training import atomic, callbacks, checkpoint, epochlog, plots, seeds
from training.errors import Diverged, RunError
from training.job import Job, Settings
from training.run import DataRecord, Run


def train(job: Job[Any, Any], run: Run, settings: Settings, console: Console) -> Run:
    """Train `job` in `run` until it is complete; raises TrainingError."""
    atomic.sweep(run.path)
    done = checkpoint.read(run.checkpoint)
    started_s = time.monotonic() - done.seconds
    seeds.plant(settings.seed, deterministic=settings.deterministic)
    data = job.load(settings)
    run = _remember_data(run, DataRecord(source=data.summary.source, sizes=dict(data.summary.sizes)))
    if not run.assets.exists():
        with atomic.directory(run.assets) as assets:
            job.save_assets(settings, data, assets)
    # Another seed than at the start, or a continued training would repeat the order of its first epochs.
    seeds.plant(settings.seed + done.epochs_done, deterministic=settings.deterministic)
    model = job.build(settings, run.assets)
    run = run.update(parameters=model.count_params())
    loop = callbacks.for_run(job, run, settings, console)
    try:
        job.fit(model, settings, data, loop)
    finally:
        callbacks.close(loop)
    # `fit` may have added to the best weights, such as a threshold that is measured at the end.
    atomic.write(run.best_weights, model.save_weights)
    with atomic.directory(run.plots) as pictures:
        rows = epochlog.read(run.log)
        plots.learning_curves(rows, pictures / "learning-curves.png")
        plots.learning_rate(rows, pictures / "learning-rate.png")
        metrics = job.evaluate(model, settings, data, pictures)
    _refuse_nan(metrics)
    return run.finish(metrics, time.monotonic() - started_s)


def _remember_data(run: Run, data: DataRecord) -> Run:
    if run.record.data is not None and run.record.data != data:
        raise RunError(f"the data of run {run.path} have changed since it began; start a new run")
    return run.update(data=data)


def _refuse_nan(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"held-out {name} is {value}")

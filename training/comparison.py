"""Train every combination of settings with every seed, and keep what was trained.

Knows trials and runs, nothing of what a setting means. A complete training is not made again and an interrupted one
goes on; one that fails is remembered, and the others are made all the same.

    <runs>/comparisons/<job>/
        trainings/<trial>/    a run directory each, shared by all comparisons of the job
        <name>/               the report of one comparison: README.md, pictures, trainings.csv
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from training import atomic
from training.errors import TrainingError, UsageError
from training.job import Expectation, Job
from training.run import Run, new_record
from training.tally import Outcome
from training.train import train_exclusively
from training.variation import Trial, in_words

REASON = "failure.txt"


def home(runs: Path, job: str) -> Path:
    """Return the directory of all comparisons of a job."""
    return runs / "comparisons" / job


def goal(job: Job[Any, Any], outcomes: Sequence[Sequence[Outcome]]) -> Expectation:
    """Return the metric that decides, with a bound on the side that is worse: the first that the job promises.

    A job that promises nothing is judged by the first metric that it measures, as its monitored value would be.
    """
    if job.expected:
        return job.expected[0]
    first = next(name for group in outcomes for each in group if each.run for name in each.run.metrics)
    return Expectation(first, at_least=0.0) if job.mode == "max" else Expectation(first, at_most=0.0)


def compare(
    job: Job[Any, Any], groups: Sequence[Sequence[Trial]], directory: Path, console: Console
) -> list[list[Outcome]]:
    """Return how each trial of each combination ended; raises the first failure if none ended well.

    `directory` is the job's `home`.
    """
    # Many models in one process look to TensorFlow like one that is traced again and again.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    total, done = sum(len(group) for group in groups), 0
    outcomes: list[list[Outcome]] = []
    for group in groups:
        outcomes.append([])
        for trial in group:
            done += 1
            heading = f"[{done}/{total}] {in_words(trial.chosen)} seed={trial.settings.seed}"
            outcomes[-1].append(_attempt(job, trial, directory / "trainings" / trial.name, console, heading))
    if not any(each.run for group in outcomes for each in group):
        _forget(directory)
        first = outcomes[0][0]
        kind = UsageError if first.usage else TrainingError
        raise kind(f"no training ended well; the first: {first.failure}")
    return outcomes


def _attempt(job: Job[Any, Any], trial: Trial, path: Path, console: Console, heading: str) -> Outcome:
    console.print(heading, highlight=False, soft_wrap=True, markup=False)
    try:
        run = _opened(job, trial, path)
        if run.record.status == "failed":
            return Outcome(trial, failure=_reason(path))
        if not run.complete:
            # A line for each epoch of each training would hide which training it is.
            watched = console if console.is_terminal else Console(quiet=True)
            run = train_exclusively(job, run, trial.settings, watched)
    except Exception as error:  # noqa: BLE001  # whatever one training dies of, the others are still wanted
        failure = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
        failure = failure.splitlines()[0]
        if path.exists():
            atomic.write_text(path / REASON, failure)
        console.print(f"  failed: {failure}", style="red", markup=False, soft_wrap=True, highlight=False)
        return Outcome(trial, failure=failure, usage=isinstance(error, UsageError))
    finally:
        keras.utils.clear_session()  # or the graphs of all trainings stay in memory
        gc.collect()
    return Outcome(trial, run)


def _reason(path: Path) -> str:
    """Return why a training failed before; a kill may have come before the reason was written."""
    try:
        return (path / REASON).read_text(encoding="utf-8")
    except FileNotFoundError:
        return "it diverged"


def _opened(job: Job[Any, Any], trial: Trial, path: Path) -> Run:
    if path.exists():
        return Run.open(path)
    values = trial.settings.model_dump(mode="json", exclude={"profile", "data"})
    pairs = [
        word
        for key, value in values.items()
        for word in ("--set", f"{key}={value}".replace("=None", "=none"))
    ]
    data = [] if trial.settings.data is None else ["--data", trial.settings.data]
    arguments = [job.name, "--profile", trial.settings.profile, *data, *pairs]
    return Run.create(path, new_record(job, trial.settings, trial.name, arguments), trial.settings)


def _forget(directory: Path) -> None:
    """Remove the directories that nothing is in."""
    with suppress(OSError):
        for path in (directory / "trainings", directory, directory.parent):
            path.rmdir()

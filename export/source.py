"""Open a finished run as what exporters need.

Knows `training.run`, and nothing of signatures or bundles.
"""

from __future__ import annotations

from pathlib import Path

from export.errors import RunError
from export.recipe import Source
from service.bundle import Provenance
from training.errors import TrainingError
from training.job import Expectation
from training.quiet import import_tensorflow
from training.run import Run


def open_run(directory: Path) -> Run:
    """Read a run; raises RunError if the directory is none, or the run is not complete."""
    try:
        run = Run.open(directory)
    except TrainingError as error:
        raise RunError(str(error)) from error
    if not run.complete:
        raise RunError(f"run {directory} is not complete; continue it with --resume, or train again")
    return run


def restore(run: Run) -> Source:
    """Restore the model of a complete run, with everything that is known of it.

    Raises RunError if its weights or metrics cannot be read, or do not belong to its settings.
    """
    import_tensorflow()
    try:
        model = run.job.restore(run)
        metrics = run.metrics
    except (TrainingError, OSError, ValueError, KeyError) as error:
        raise RunError(f"run {run.path} cannot be restored: {error}") from error
    return Source(
        directory=run.path,
        job=run.record.job,
        word=run.record.word,
        model=model,
        assets=run.assets,
        settings=run.resolved,
        metrics=metrics,
        provenance=_provenance(run),
        sizes={} if run.record.data is None else run.record.data.sizes,
        expected=_expected(run),
    )


def _expected(run: Run) -> tuple[Expectation, ...]:
    """Return what is promised of the job's own data; nothing is of anybody else's."""
    if run.resolved.get("data") is not None:
        return ()
    return tuple(Expectation(bound.metric, bound.at_least, bound.at_most) for bound in run.record.expected)


def _provenance(run: Run) -> Provenance:
    record = run.record
    data = "unknown"
    if record.data is not None:
        sizes = ", ".join(f"{count} {part}" for part, count in record.data.sizes.items())
        data = f"{record.data.source} ({sizes})"
    return Provenance(
        job=record.job,
        profile=record.profile,
        revision=record.revision,
        command=record.command,
        seed=record.seed,
        data=data,
        started=record.started,
        seconds=record.seconds,
        parameters=record.parameters,
        libraries=record.libraries,
    )

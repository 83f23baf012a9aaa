"""The command line: `python -m training JOB`.

Knows arguments, exit codes and what to print. Exit 0: complete; 1: training failed; 2: a wrong argument.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training import jobs, lock, provenance
from training.errors import DataError, Diverged, RunError, TrainingError, UsageError
from training.job import Expectation, Job, Profile, Settings
from training.run import ExpectedMetric, Record, Run, check_name, new_name, newest_first
from training.settings import resolve

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def main(  # noqa: PLR0913  # one parameter for each option of the command line
    job: Annotated[str | None, typer.Argument(help="What to train; --list shows all.")] = None,
    *,
    profile: Annotated[Profile, typer.Option(help="How long and how well.")] = "quick",
    data: Annotated[str | None, typer.Option(help="Your own data instead of the job's.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    pairs: Annotated[list[str] | None, typer.Option("--set", help="A setting as key=value.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are kept.")] = Path("runs"),
    run: Annotated[str | None, typer.Option(help="Name of the run directory.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show the jobs and end.")] = False,
) -> None:
    """Train a job and leave everything about it in a run directory, whose path is printed last."""
    console = Console()
    if listing:
        console.print(_job_table())
        return
    if job is None:
        raise typer.BadParameter(f"a job is missing; there are {', '.join(jobs.JOBS)}")
    try:
        found = jobs.find(job)
        settings = resolve(found, profile, config=config, pairs=pairs or (), data=data)
        chosen = _choose(found, settings, runs, run, resume=resume)
        finished = chosen if chosen.complete else _train(found, chosen, settings, console)
    except TrainingError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from error
    console.print(_result_table(finished))
    console.print(str(finished.path), soft_wrap=True, highlight=False)


def _train(job: Job[Any, Any], run: Run, settings: Settings, console: Console) -> Run:
    from training.train import train  # noqa: PLC0415  # needs TensorFlow, which --help does not

    try:
        with lock.exclusive(run.path):
            return train(job, run, settings, console)
    except DataError:
        if run.record.data is None:
            run.discard()  # nothing was trained: the name stays free
        raise
    except Diverged:
        Run.open(run.path).update(status="failed")
        raise
    except KeyboardInterrupt:
        console.print(f"interrupted; add --resume to continue {run.path}", soft_wrap=True)
        raise


def _choose(job: Job[Any, Any], settings: Settings, root: Path, name: str | None, *, resume: bool) -> Run:
    """Return the run to continue, or a new one."""
    equal = settings.model_dump(mode="json")
    if resume and name is None:
        for run in newest_first(root, job.name):
            if run.record.status == "running" and run.resolved == equal and not lock.held(run.path):
                return run
    path = root / job.name / check_name(name or new_name())
    if resume and path.exists():
        run = Run.open(path)
        if run.resolved != equal:
            raise RunError(f"run {path} has other settings; start it with the same to continue it")
        if run.record.status == "failed":
            raise RunError(f"run {path} diverged and would again; start a new one with a lower learning_rate")
        return run
    return Run.create(path, _record(job, settings, path.name), settings)


def _record(job: Job[Any, Any], settings: Settings, name: str) -> Record:
    return Record(
        job=job.name,
        word=job.word,
        run=name,
        profile=settings.profile,
        seed=settings.seed,
        status="running",
        started=datetime.now(UTC),
        command=provenance.command(sys.argv[1:]),
        revision=provenance.revision(),
        libraries=provenance.libraries(),
        expected=tuple(
            ExpectedMetric(metric=bound.metric, at_least=bound.at_least, at_most=bound.at_most)
            for bound in job.expected
        ),
    )


def _job_table() -> Table:
    table = Table("job", "word", "what the model knows")
    for name, entry in jobs.JOBS.items():
        table.add_row(name, entry.word, entry.about)
    return table


def _result_table(run: Run) -> Table:
    """Return the held-out metrics beside what the job promises of its default data."""
    expected = {
        bound.metric: Expectation(bound.metric, bound.at_least, bound.at_most)
        for bound in run.record.expected
    }
    table = Table(
        "held out", "reached", "expected", "", title=f"{run.record.job}, {run.record.seconds:.0f} s"
    )
    for name, value in run.metrics.items():
        bound = expected.get(name)
        verdict = "" if bound is None else "ok" if bound.met_by(value) else "missed"
        table.add_row(name, f"{value:.4g}", str(bound or ""), verdict)
    return table


if __name__ == "__main__":
    cli()

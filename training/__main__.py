"""The command line: `python -m training JOB` and `python -m training compare JOB --vary key=value,value`.

Knows arguments, exit codes and what to print. Exit 0: complete; 1: training failed; 2: a wrong argument.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training import cluster, jobs, lock
from training.cluster import Cluster, Devices, Strategy, Team
from training.command_group import with_default
from training.errors import RunError, TrainingError, UsageError
from training.job import Expectation, Job, Profile, Settings
from training.run import Run, check_name, new_name, new_record, newest_first
from training.settings import resolve
from training.tally import Line, Outcome, best_first, result_rows
from training.variation import Layers, Trial, parse, trials

cli = typer.Typer(cls=with_default("train"), add_completion=False, pretty_exceptions_enable=False)

ProfileOf = Annotated[Profile, typer.Option("--profile", help="How long and how well.")]
DataOf = Annotated[str | None, typer.Option("--data", help="Your own data instead of the job's.")]
ConfigOf = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
PairsOf = Annotated[list[str] | None, typer.Option("--set", help="A setting as key=value.")]
RunsOf = Annotated[Path, typer.Option("--runs", help="Where run directories are kept.")]


@cli.command("train")
def train_command(  # noqa: PLR0913  # one parameter for each option of the command line
    job: Annotated[str | None, typer.Argument(help="What to train; --list shows all.")] = None,
    *,
    profile: ProfileOf = "quick",
    data: DataOf = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Begin with a .keras file, weights or a SavedModel.")
    ] = None,
    config: ConfigOf = None,
    pairs: PairsOf = None,
    runs: RunsOf = Path("runs"),
    run: Annotated[str | None, typer.Option(help="Name of the run directory.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    strategy: Annotated[
        Strategy | None, typer.Option(help="Share batches among devices or machines.")
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="How many, with --strategy mirrored.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the jobs and end.")] = False,
) -> None:
    """Train a job and leave everything about it in a run directory, whose path is printed last.

    The word `train` may be left out: `python -m training JOB`.
    """
    console = Console()
    if listing:
        console.print(_job_table())
        return
    if job is None:
        raise typer.BadParameter(f"a job is missing; there are {', '.join(jobs.JOBS)}")
    try:
        team = cluster.team(strategy, devices, os.environ)
        found = jobs.find(job)
        begun = [] if start is None else [f"start={json.dumps(start)}"]
        settings = resolve(found, profile, config=config, pairs=[*(pairs or ()), *begun], data=data)
        choose = partial(_choose, found, settings, runs, run, resume=resume)
        finished = _train(found, settings, team, choose, console)
    except TrainingError as error:
        raise _refused(error) from error
    if finished is None:
        console.print("trained for worker 0, which has the run")
        return
    console.print(_result_table(finished))
    console.print(str(finished.path), soft_wrap=True, highlight=False)


@cli.command("compare")
def compare_command(  # noqa: PLR0913  # one parameter for each option of the command line
    job: Annotated[str, typer.Argument(help="What to train; --list shows all.")],
    more: Annotated[list[str] | None, typer.Argument(help="More of what --vary takes.")] = None,
    *,
    vary: Annotated[list[str] | None, typer.Option(help="A setting and its values: key=value,value.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each combination.")] = 3,
    name: Annotated[
        str | None, typer.Option(help="Name of the report; the varied settings by default.")
    ] = None,
    profile: ProfileOf = "quick",
    data: DataOf = None,
    config: ConfigOf = None,
    pairs: PairsOf = None,
    runs: RunsOf = Path("runs"),
) -> None:
    """Train every combination of settings with every seed, and print where the report is.

    The same command again goes on where it was interrupted, and trains nothing that is complete.
    """
    console = Console()
    layers = Layers(profile, config, pairs or (), data)
    try:
        variations = parse([*(vary or ()), *(more or ())])
        named = check_name(name or "-".join(each.key for each in variations))
        if named == "trainings":
            raise RunError("a report cannot be named 'trainings': the trainings themselves are there")
        found = jobs.find(job)
        groups = trials(found, variations, layers, seeds)
        outcomes = _compare(found, groups, runs, named, console)
    except TrainingError as error:
        raise _refused(error) from error
    if any(each.run is None for group in outcomes for each in group):
        raise typer.Exit(1)


def _compare(
    job: Job[Any, Any], groups: list[list[Trial]], runs: Path, name: str, console: Console
) -> list[list[Outcome]]:
    from training import comparison, comparison_report  # noqa: PLC0415  # need TensorFlow, which --help does not

    home = comparison.home(runs, job.name)
    try:
        outcomes = comparison.compare(job, groups, home, console)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on")
        raise
    goal = comparison.goal(job, outcomes)
    lines = best_first(outcomes, goal)
    page = comparison_report.write(home / name, outcomes, lines, (goal, job.monitor), sys.argv[1:])
    console.print(_comparison_table(lines, goal))
    console.print(str(page), soft_wrap=True, highlight=False)
    return outcomes


def _comparison_table(lines: list[Line], goal: Expectation) -> Table:
    heads, *rows = result_rows(lines, goal.metric)
    table = Table(*heads)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _refused(error: TrainingError) -> typer.Exit:
    Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
    return typer.Exit(2 if isinstance(error, UsageError) else 1)


def _train(
    job: Job[Any, Any], settings: Settings, team: Team, choose: Callable[[], Run], console: Console
) -> Run | None:
    """Return the complete run, but for a worker that works for another's."""
    from training import sharing, workers  # noqa: PLC0415  # need TensorFlow, which --help does not
    from training.train import train_exclusively  # noqa: PLC0415

    try:
        if isinstance(team, Cluster):
            return workers.train_among(job, settings, team, choose, console)
        shared = sharing.mirrored(team.count) if isinstance(team, Devices) else None
        run = choose()
        return run if run.complete else train_exclusively(job, run, settings, console, shared)
    except KeyboardInterrupt:
        console.print("interrupted; add --resume to continue")
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
    return Run.create(path, new_record(job, settings, path.name, sys.argv[1:]), settings)


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

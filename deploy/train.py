"""Train and export every model that is not up to date: `python -m deploy.train`, which `make train` calls.

Knows arguments, exit codes and what to print. Exit 0: all are up to date; 1: some failed, and the summary says which;
2: a wrong argument.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy import display
from deploy.collection import Making, chosen, outdated
from deploy.making import Maker, Outcome, processors, threads
from training.errors import UnknownJob
from training.job import Profile

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def usual_at_once() -> int:
    """Return how many are made at a time: few keep two processors busy, and while one starts or writes the others go on."""
    return min(3, processors() + 1)


@cli.command()
def main(
    *,
    only: Annotated[
        str, typer.Option(help="Jobs with commas between them; `first` are a newcomer's.")
    ] = "all",
    jobs: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many to make at once; three at most by default.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How long and how well to train.")] = "quick",
    again: Annotated[bool, typer.Option("--again", help="Train also what is up to date.")] = False,
    runs: Annotated[Path, typer.Option(help="Where training runs are kept.")] = Path("runs"),
    models: Annotated[Path, typer.Option(help="The model repository.")] = Path("models"),
) -> None:
    """Make every model that has no version of this profile or a better one yet, and show how far it is."""
    console = Console()
    making = Making(profile, runs, models, fresh=again)
    try:
        wanted = chosen(only)
    except UnknownJob as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    todo = outdated(making, wanted)
    if skipped := len(wanted) - len(todo):
        console.print(f"{skipped} of {len(wanted)} up to date", highlight=False)
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    at_once = jobs or usual_at_once()
    os.environ.update(threads(at_once))
    with display.for_console(todo, console) as shown:
        outcomes = Maker(making, shown, at_once=at_once).make(todo)
    if failed := [outcome for outcome in outcomes if outcome.failure]:
        console.print(_summary(failed))
        raise typer.Exit(1)


def _summary(failed: Sequence[Outcome]) -> Table:
    table = Table("failed", "why", "log", title=f"{len(failed)} failed")
    for outcome in failed:
        table.add_row(outcome.job, escape(outcome.failure), escape(str(outcome.log)), style="red")
    return table


if __name__ == "__main__":
    cli()

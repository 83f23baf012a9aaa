"""The command line: `python -m loadtests COMMAND`.

Knows commands and their options; knows nothing of what they measure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtests import bench, commands

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
cli.command("bench")(bench.main)
cli.command("load", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    commands.load
)
cli.command("capacity")(commands.capacity)


@cli.command()
def generation(  # noqa: PLR0913  # one parameter for each option of the command line
    *,
    models: Annotated[Path, typer.Option(help="Where bundles are.")] = Path("models"),
    model: Annotated[list[str] | None, typer.Option(help="Which models to measure.")] = None,
    requests: Annotated[int, typer.Option(min=64, help="Requests of a trace.")] = 1000,
    slots: Annotated[int, typer.Option(min=1, help="Rows side by side.")] = 32,
    repeats: Annotated[int, typer.Option(min=1, help="How often the ways are interleaved.")] = 5,
    load: Annotated[
        float, typer.Option(help="The lighter load, as a share of what one at a time serves.")
    ] = 1.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of a session.")] = 1,
    seed: Annotated[int, typer.Option(help="Of arrivals and lengths.")] = 1,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if a target is missed.")] = False,
) -> None:
    """Compare one-at-a-time, static and continuous batching on the same graphs and arrivals, interleaved."""
    from loadtests.generation import comparison, report, subject  # noqa: PLC0415  # the engine; not for --help
    from service.engine import interpreter  # noqa: PLC0415

    console = Console(width=140)
    interpreter.settle()  # all ways alike, as in a gateway
    plan = comparison.Plan(slots, repeats, load, seed)
    well = True
    for name in model or ("prose-lstm", "english-french"):
        tested = subject.load(newest(models / name), requests, threads, seed)
        found = comparison.compare(tested, plan)
        report.show(f"{name}, {requests} requests, {slots} slots, the best of {repeats}", found, console)
        well = well and all(target.met(found) for target in comparison.TARGETS)
    console.print(report.bounds(), highlight=False)
    if check and not well:
        raise typer.Exit(1)


@cli.command()
def soak(
    *,
    generations: Annotated[int, typer.Option(min=1, help="How many, over each of two graphs.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Of lengths and of who leaves when.")] = 1,
) -> None:
    """Generate for very many callers, a third of whom leave midway; exit with 1 if anything is left or mixed up."""
    from loadtests import soak as soaking  # noqa: PLC0415  # the engine; not for --help
    from loadtests.tagging import GRAPHS  # noqa: PLC0415

    faults = list[str]()
    for name, tagged in GRAPHS.items():
        found = soaking.soak(tagged, generations, seed)
        typer.echo(
            f"{name}: {found.finished} finished, {found.cancelled} cancelled, {found.tokens} tokens in "
            f"{found.seconds:.1f} s; {len(found.strangers)} with strange tokens, {found.slots_in_use} slots in use, "
            f"{found.waiting} waiting, memory grew by {found.grown_bytes / 2**20:.1f} MiB"
        )
        faults += found.faults
    for fault in faults:
        typer.echo(f"fault: {fault}", err=True)
    raise typer.Exit(1 if faults else 0)


def newest(directory: Path) -> Path:
    """Return the newest version of a model; ends the command if there is none."""
    versions = [each for each in directory.glob("[0-9]*") if each.name.isdigit()]
    if not versions:
        raise typer.BadParameter(f"there is no version of '{directory.name}'; make train makes them")
    return max(versions, key=lambda path: int(path.name))


if __name__ == "__main__":
    cli()

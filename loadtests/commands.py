"""The commands that put load on a running gateway: `load` and `capacity`.

Knows options and files; knows nothing of how load is made.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer

from loadtests import capacity as searching
from loadtests import launching
from loadtests.locusts import options
from loadtests.locusts.gathering import gather
from loadtests.traffic import objectives, scopes
from loadtests.traffic.capacity import Bounds, Found, markdown


def load(context: typer.Context) -> None:
    """Load a running gateway with locust; all options are locust's (--help-locust), exit code 1 for a missed objective.

    Without any: 20 users for 60 s on localhost:8000, everything asked alike often, report in load.html.
    """
    arguments = ["--help" if each == "--help-locust" else each for each in context.args]
    try:
        raise typer.Exit(launching.run(arguments))
    except launching.MissingError as error:
        raise typer.BadParameter(str(error)) from error


def capacity(  # noqa: PLR0913  # one parameter for each option of the command line
    *,
    host: Annotated[str, typer.Option(help="Address of the gateway's REST port.")] = "http://127.0.0.1:8000",
    grpc: Annotated[str, typer.Option(help="Address of its gRPC port; else 8001 of the same host.")] = "",
    slo: Annotated[str, typer.Option(help="The objective.")] = "p99=50ms,errors=0.1%",
    only: Annotated[str, typer.Option(help="Words, models, wires, transports: a/b,c.")] = "",
    models: Annotated[Path, typer.Option(help="Where bundles and recorded answers are.")] = Path("models"),
    examples: Annotated[Path, typer.Option(help="Where texts, pictures and rows are.")] = options.EXAMPLES,
    trial_s: Annotated[float, typer.Option(min=1, help="Seconds of each trial.")] = 5.0,
    budget_s: Annotated[float, typer.Option(min=1, help="Seconds after which no trial begins.")] = 1200.0,
    first: Annotated[float, typer.Option(help="Requests a second of the first trial.")] = 50.0,
    highest: Annotated[float, typer.Option(help="Requests a second beyond which none is tried.")] = 5000.0,
    output: Annotated[Path, typer.Option(help="The table, as Markdown.")] = Path("capacity.md"),
) -> None:
    """Search the requests a second within an objective, for each model on each wire, and write a table."""
    try:
        objectives.parse(slo), scopes.parse_all(only)
        bounds = Bounds(first, min(1.0, first), highest)
        names = series_names(host, only, models, examples)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    arguments = (f"--host={host}", f"--grpc={grpc}", f"--models={models.resolve()}")
    method = searching.Method(slo, trial_s, (*arguments, f"--examples={examples.resolve()}"))
    until_s = time.monotonic() + budget_s
    found: list[Found] = []
    for name in names:
        found.append(searching.search(name, searching.attempt(method), bounds, until_s))
        output.write_text(markdown(found, slo, trial_s))
    typer.echo(output.read_text())


def series_names(host: str, only: str, models: Path, examples: Path) -> list[str]:
    """Return the names of everything that can be asked; raises OSError or ValueError if there is nothing."""
    asked = SimpleNamespace(
        examples=str(examples), models=str(models), only=only, tokens=32, weights="", timeout_s=30.0
    )
    return [series.questions[0].name for series in gather(host, asked).series]

"""The command line: `python -m export RUN`, `verify BUNDLE`, `results` and `index MODELS`.

Knows arguments, exit codes and what to print. Exit 0: published, verified, or written; 1: refused, with the reason; 2: a
wrong argument.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from export.errors import ExportError
from export.parity import TOLERANCE

ENVIRONMENT = {
    # A model traced where TensorFlow sees a GPU may hold operations that only run on one.
    "CUDA_VISIBLE_DEVICES": "-1",
    "ORT_DISABLE_TELEMETRY": "1",
}


class _RunByDefault(TyperGroup):
    """Takes the first argument for a run where it is the name of no command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer ships its own click
        """Insert the command `run` where none is named."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


cli = typer.Typer(
    cls=_RunByDefault, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)

Tolerance = Annotated[float, typer.Option(min=0.0, help="Largest max |a-b| / (1 + |a|) that is accepted.")]


@cli.command("run")
def run_command(
    run: Annotated[Path, typer.Argument(help="The run directory of a complete training.")],
    *,
    models: Annotated[Path, typer.Option(help="The model repository.")] = Path("models"),
    name: Annotated[str | None, typer.Option(help="Name of the model; the job's by default.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Its version; the next by default.")] = None,
    tolerance: Tolerance = TOLERANCE,
) -> None:
    """Export RUN as the next version of a model: `python -m export RUN`."""
    os.environ.update(ENVIRONMENT)
    from export import exporters  # noqa: PLC0415
    from export.build import Target, build  # noqa: PLC0415  # TensorFlow must find it set
    from export.source import open_run, restore  # noqa: PLC0415

    console = Console()
    try:
        with console.status("restoring the model") as status:
            found = open_run(run)
            describe = exporters.find(found.record.job, found.record.word)
            source = restore(found)
            target = Target(models, name or source.job, version)
            path = build(source, describe(source), target, tolerance=tolerance, tell=status.update)
    except ExportError as error:
        _refuse(error)
    console.print(f"[green]published[/] {target.name} version {path.name}", highlight=False)
    console.print(str(path), soft_wrap=True, highlight=False, markup=False)


@cli.command("verify")
def verify_command(
    bundle: Annotated[Path, typer.Argument(help="A version directory.")],
    *,
    tolerance: Annotated[
        float | None, typer.Option(min=0.0, help="Instead of the tolerance that the bundle was made with.")
    ] = None,
) -> None:
    """Check a version on disk again: files, task, SavedModel against ONNX, golden requests."""
    os.environ.update(ENVIRONMENT)
    from export.verify import verify  # noqa: PLC0415  # TensorFlow must find it set

    console = Console()
    with console.status("verifying"):
        checks = list(verify(bundle, tolerance=tolerance))
    table = Table("check", "", "what was found", title=str(bundle))
    for check in checks:
        table.add_row(check.name, "[green]ok[/]" if check.passed else "[red]refused[/]", check.detail)
    console.print(table)
    if not checks[-1].passed:
        _refuse(f"{checks[-1].name}: {checks[-1].detail}")


@cli.command("results")
def results_command(
    *,
    models: Annotated[Path, typer.Option(help="The model repository.")] = Path("models"),
    profile: Annotated[str, typer.Option(help="Versions of which profile.")] = "quick",
    page: Annotated[Path, typer.Option(help="The page to write.")] = Path("training/RESULTS.md"),
    pictures: Annotated[Path, typer.Option(help="Where its pictures are kept.")] = Path("docs/pictures"),
) -> None:
    """Write the page of results of all jobs: `make results`. A job that is not trained has a row that says so."""
    os.environ.update(ENVIRONMENT)
    from export import results_page  # noqa: PLC0415  # TensorFlow must find it set
    from export.results import gather  # noqa: PLC0415

    console = Console()
    found = []
    with console.status("reading the model repository") as status:
        for result in gather(models, profile):
            status.update(result.job)
            found.append(result)
    results_page.write(found, page, pictures, profile)
    trained = sum(result.manifest is not None for result in found)
    console.print(f"{trained} of {len(found)} jobs in {page}", soft_wrap=True, highlight=False, markup=False)


@cli.command("index")
def index_command(models: Annotated[Path, typer.Argument(help="The model repository.")]) -> None:
    """Write `index.json`: what a gateway reads where the repository is served over HTTP without listings."""
    from service.bundle import BundleError, write_index  # noqa: PLC0415  # not needed for --help

    try:
        written = write_index(models)
    except (BundleError, OSError) as error:
        _refuse(error.strerror if isinstance(error, OSError) else error)
    Console().print(str(written), soft_wrap=True, highlight=False, markup=False)


def _refuse(reason: object) -> NoReturn:
    console = Console(stderr=True)
    console.print(f"refused: {reason}", style="red", markup=False, soft_wrap=True, highlight=False)
    raise typer.Exit(1)


if __name__ == "__main__":
    cli()

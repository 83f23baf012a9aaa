"""The command line: `python -m export RUN`, `verify BUNDLE`, `compare RUN`, `results` and `index MODELS`.

Knows arguments, exit codes and what to print. Exit 0: published, verified, compared or written; 1: refused, with the
reason; 2: a wrong argument.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from export.errors import ExportError, PublishError
from export.parity import TOLERANCE
from training import atomic
from training.command_group import with_default

ENVIRONMENT = {
    # A model traced where TensorFlow sees a GPU may hold operations that only run on one.
    "CUDA_VISIBLE_DEVICES": "-1",
    "ORT_DISABLE_TELEMETRY": "1",
}


cli = typer.Typer(
    cls=with_default("run"), add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
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


@cli.command("compare")
def compare_command(
    run: Annotated[Path, typer.Argument(help="The run directory of a complete training.")],
    *,
    to: Annotated[Path | None, typer.Option(help="A new directory in which the files stay.")] = None,
) -> None:
    """Write a run as .keras, weights and SavedModel: what each keeps, its size and how long it takes to load.

    `python -m training JOB --from FILE` goes on from any of them.
    """
    os.environ.update(ENVIRONMENT)
    from export.source import open_run, reopen  # noqa: PLC0415  # TensorFlow must find it set

    console = Console()
    try:
        if to is not None and to.exists():
            raise PublishError(f"{to} exists; choose another --to")
        found = open_run(run)
        with console.status("restoring the model"), _place(to) as directory:
            model, build = reopen(found)
            from export import formats  # noqa: PLC0415  # needs TensorFlow, which is silent by now

            kept = formats.compare(model, build, directory)
    except ExportError as error:
        _refuse(error)
    table = Table("format", "model", "weights", "optimizer", "read with", "kB", "ms")
    for each in kept:
        if each.problem is not None:
            table.add_row(each.name, *["-"] * 6)
            continue
        marks = ["kept" if part else "-" for part in (each.architecture, each.weights, each.optimizer)]
        table.add_row(
            each.name, *marks, each.needs, f"{each.size_bytes / 1000:.1f}", f"{1000 * each.load_s:.0f}"
        )
    console.print(table)
    for each in kept:
        if each.problem is not None:
            console.print(f"{each.name}: {each.problem}", soft_wrap=True, highlight=False, markup=False)
    if to is not None:
        console.print(str(to), soft_wrap=True, highlight=False, markup=False)


def _place(to: Path | None) -> AbstractContextManager[Path]:
    return atomic.directory(to) if to is not None else _scratch()


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


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

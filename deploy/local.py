"""Start the gateway on this machine at once, and train, export and publish the models that are missing beside it.

`make serve` calls this. Knows the command lines of training, export and service; knows nothing of their insides.
The gateway finds each new version by its own polling. A kill at any moment is repaired by the next start:
training resumes, and a version that is not whole was never published.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.bundle import MANIFEST
from service.config import ConfigError, Settings, read
from training.errors import UnknownJob
from training.jobs import JOBS
from training.run import Run, newest_first

FIRST = ("tumour-autoencoder", "digits-cnn", "prose-lstm", "chat-gru", "english-french")
"""What is made if nobody says what: a model or two for each word, quickest first."""

TRY = {
    "english-french": ("translate", '{"text": "The old teacher does not see the small house."}'),
    "prose-lstm": (
        "generate",
        '{"model": "prose-lstm", "prompt": "The value of ", "max_tokens": 80, "temperature": 0.7, "seed": 1}',
    ),
}
"""A call that fits on one line, by model: the word and its body."""


@dataclass(frozen=True, slots=True)
class Making:
    """Which jobs are made, how long and how well they train, and where their runs are kept."""

    jobs: tuple[str, ...]
    profile: str
    runs: Path


cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    context: typer.Context,
    *,
    profile: Annotated[str, typer.Option(help="How long and how well to train.")] = "quick",
    runs: Annotated[Path, typer.Option(help="Where training runs are kept.")] = Path("runs"),
    job: Annotated[
        list[str] | None, typer.Option(help="A model to make, again for more; `all` is every job.")
    ] = None,
    only_train: Annotated[bool, typer.Option("--only-train", help="Start no gateway.")] = False,
) -> None:
    """Serve this directory's models, and make those that are missing. Other flags go to the gateway."""
    console = Console()
    try:
        settings = _settings(context.args)
        making = Making(chosen(job or ()), profile, runs)
    except (ConfigError, UnknownJob) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    models = settings.models
    assert isinstance(models, Path)
    if only_train:
        raise typer.Exit(0 if _make_missing(models, making, console, None) else 1)
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    # Out of the terminal's group: an interrupt reaches it once, from here, and starts its drain.
    gateway = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, "-m", "service", "--models", str(models), *context.args],
        start_new_session=True,
        stdout=subprocess.PIPE,  # one line with its ports; its log goes to standard error
    )
    try:
        if ports := _listening(gateway):
            _announce(settings, ports, console)
            if missing(models, making.jobs):
                _make_missing(models, making, console, gateway)
                if gateway.poll() is None:
                    _announce(settings, ports, console)
        code = gateway.wait()
    except KeyboardInterrupt:
        gateway.terminate()
        code = gateway.wait()
    raise typer.Exit(code)


def _listening(gateway: subprocess.Popen[bytes]) -> dict[str, int] | None:
    """Return the gateway's ports as soon as it listens, or None if it could not start."""
    assert gateway.stdout is not None
    line = gateway.stdout.readline()
    ports: dict[str, int] | None = json.loads(line) if line else None
    return ports


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Return the jobs to make, the first ones first; none named means those, `all` every one. Raises UnknownJob."""
    everything = (*FIRST, *(job for job in JOBS if job not in FIRST))
    wanted = set(names)
    if unknown := wanted - {*everything, "all"}:
        raise UnknownJob(f"there is no job '{min(unknown)}'; there are {', '.join(JOBS)}, and all")
    if not wanted:
        return FIRST
    return everything if "all" in wanted else tuple(job for job in everything if job in wanted)


def missing(models: Path, jobs: Iterable[str] = FIRST) -> list[str]:
    """Return which of `jobs` have no published version below `models`."""
    return [job for job in jobs if not any((models / job).glob(f"[0-9]*/{MANIFEST}"))]


def _make_missing(
    models: Path, making: Making, console: Console, gateway: subprocess.Popen[bytes] | None
) -> bool:
    """Train and export what is missing, stopping if the gateway ends; return whether all went well."""
    well = True
    for job in missing(models, making.jobs):
        if gateway is not None and gateway.poll() is not None:
            return False
        console.rule(f"{job}: training ({making.profile})")
        well = _make(job, models, making) and well
    return well


def _make(job: str, models: Path, making: Making) -> bool:
    run = finished_run(making.runs, job, making.profile)
    if run is None:
        if _python("training", job, "--profile", making.profile, "--runs", str(making.runs), "--resume"):
            return False
        run = finished_run(making.runs, job, making.profile)
    return run is not None and not _python("export", str(run.path), "--models", str(models))


def finished_run(runs: Path, job: str, profile: str) -> Run | None:
    """Return the newest complete run of a job in a profile."""
    found = (run for run in newest_first(runs, job) if run.complete and run.record.profile == profile)
    return next(found, None)


def _python(module: str, *arguments: str) -> int:
    # Lower priority: requests to the gateway come before training.
    return subprocess.run(  # noqa: S603  # our own
        [sys.executable, "-m", module, *arguments], check=False, preexec_fn=_be_nice
    ).returncode


def _be_nice() -> None:
    os.nice(10)


def _settings(arguments: list[str]) -> Settings:
    """Return the gateway's settings; raises ConfigError, also if they name no directory for what is missing."""
    settings = read(arguments, os.environ)
    if not isinstance(settings.models, Path):
        raise ConfigError("--models: expected a directory, into which missing models are put")
    return settings


def _announce(settings: Settings, ports: Mapping[str, int], console: Console) -> None:
    """Print the addresses, and a call for a model that is there."""
    rest = f"http://{settings.http.host}:{ports['http_port']}"
    lines = (
        f"REST        {rest}   (documentation: {rest}/docs)",
        f"gRPC        {settings.grpc.host}:{ports['grpc_port']}",
        f"operations  http://{settings.operations.host}:{ports['operations_port']}/metrics, /readyz",
    )
    assert isinstance(settings.models, Path)
    absent = missing(settings.models)
    calls = [
        f"curl {rest}/v1/{word} -H 'content-type: application/json' -d '{body}'"
        for job, (word, body) in TRY.items()
        if job not in absent
    ]
    console.rule("Sluice")
    for line in (*lines, *calls[:1]):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    cli()

"""Start the gateway on this machine at once, and train, export and publish the models that are missing beside it.

`make serve` calls this. Knows the gateway's command line and address, and nothing of how models are made. The gateway
finds each new version by its own polling.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.collection import chosen, missing
from service.config import ConfigError, Settings, read
from training.errors import UnknownJob
from training.job import Profile

TRY = {
    "english-french": ("translate", '{"text": "The old teacher does not see the small house."}'),
    "prose-lstm": (
        "generate",
        '{"model": "prose-lstm", "prompt": "The value of ", "max_tokens": 80, "temperature": 0.7, "seed": 1}',
    ),
}
"""A call that fits on one line, by model: the word and its body."""


cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    context: typer.Context,
    *,
    profile: Annotated[Profile, typer.Option(help="How long and how well to train.")] = "quick",
    runs: Annotated[Path, typer.Option(help="Where training runs are kept.")] = Path("runs"),
    only: Annotated[
        str,
        typer.Option(help="What to make if it is missing: jobs with commas between them, `first`, `all`."),
    ] = "first",
) -> None:
    """Serve this directory's models, and make those that are missing. Other flags go to the gateway."""
    console = Console()
    try:
        settings = _settings(context.args)
        jobs = chosen(only)
    except (ConfigError, UnknownJob) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    models = settings.models
    assert isinstance(models, Path)
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
            if absent := missing(models, jobs):
                flags = ("--profile", profile, "--runs", str(runs), "--models", str(models))
                _make(absent, flags, console, gateway)
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


def _make(
    jobs: Sequence[str], flags: Sequence[str], console: Console, gateway: subprocess.Popen[bytes]
) -> None:
    """Make jobs, one after the other and with a line for each step, until the gateway ends.

    In a process of its own, which ends with all that it has loaded. It does not write to the terminal itself: the
    gateway's log is there as well, and would tear a bar.
    """
    command = [sys.executable, "-m", "deploy.train", "--only", ",".join(jobs), "--jobs", "1", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as making:  # noqa: S603  # our own
        assert making.stdout is not None
        try:
            for line in making.stdout:
                console.print(line, end="", markup=False, highlight=False, soft_wrap=True)
                if gateway.poll() is not None:
                    break
        finally:
            making.terminate()


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

"""Start locust from its own environment, with defaults for a run without a browser.

Knows where locust is and its variables; knows nothing of what it does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCUST = ROOT / ".venv-load" / "bin" / "locust"
FILE = ROOT / "loadtests" / "locustfile.py"
USUAL = {
    "LOCUST_HEADLESS": "true",
    "LOCUST_HTML": "load.html",
    "LOCUST_USERS": "20",
    "LOCUST_SPAWN_RATE": "20",
    "LOCUST_RUN_TIME": "60s",
    "LOCUST_STOP_TIMEOUT": "35",  # longer than --timeout-s, so that every request has its outcome
    "LOCUST_THINK": "0.1",  # a loop without a pause measures the load generator
}
"""Variables, so that what the caller gives, as option or variable, goes before."""


class MissingError(Exception):
    """Locust is not installed where it belongs."""


def environment(arguments: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a run: the usual ones beneath those that are `given`.

    A worker is told everything by its master, and a shape says itself when it is over.
    """
    options = {argument.partition("=")[0] for argument in arguments}
    usual = {} if "--worker" in options else dict(USUAL)
    if "--shape" in options or given.get("LOCUST_SHAPE"):
        usual.pop("LOCUST_RUN_TIME", None)
    return usual | dict(given)


def run(arguments: Sequence[str], *, quiet: bool = False) -> int:
    """Run locust and return its exit code; raises MissingError."""
    if not LOCUST.is_file():
        raise MissingError("locust is not installed: make .venv-load/load installs it")
    command = [str(LOCUST), "--locustfile", str(FILE), *arguments]
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(  # noqa: S603  # locust, with the caller's own arguments
        command, cwd=ROOT, env=environment(arguments, os.environ), stdout=output, stderr=output, check=False
    )
    return done.returncode

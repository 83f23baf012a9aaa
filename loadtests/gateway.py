"""Run the real gateway as a child process, and read what it says of itself.

Knows its command line, its announcement and its metrics page; imports none of its code.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

STOP_S = 20.0
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """Where a gateway listens on 127.0.0.1, and its process id."""

    http_port: int
    grpc_port: int
    operations_port: int
    pid: int

    def total(self, name: str, label: str = "") -> float:
        """Return the sum of all samples of a metric whose labels contain `label`."""
        page = httpx.get(f"http://127.0.0.1:{self.operations_port}/metrics").text
        samples = (_SAMPLE.fullmatch(line) for line in page.splitlines())
        return sum(
            float(sample["value"])
            for sample in samples
            if sample and sample["name"] == name and label in (sample["labels"] or "")
        )


@contextmanager
def running_gateway(
    models: Path, arguments: Sequence[str] = (), cpus: frozenset[int] = frozenset()
) -> Iterator[RunningGateway]:
    """Start a gateway over `models` on free ports, on the given processors, and stop it at the end."""
    ports = ("--http-port", "0", "--grpc-port", "0", "--operations-port", "0")
    command = [sys.executable, "-m", "service", "--models", str(models), *ports, *arguments]
    with subprocess.Popen(  # noqa: S603  # our own
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    ) as process:
        try:
            if cpus:
                os.sched_setaffinity(process.pid, cpus)
            assert process.stdout is not None
            yield RunningGateway(**json.loads(process.stdout.readline()), pid=process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=STOP_S)

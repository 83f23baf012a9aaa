"""Processes that run a module of ours as `python -m` does, but need not load TensorFlow first.

Knows how a process begins, speaks and ends. Where the system can copy a process safely (Linux), each is a copy of one
that has loaded TensorFlow (`deploy.loaded`) and nothing else yet; elsewhere each begins anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from threading import Lock

NICENESS = 10
"""Requests to a gateway come before training."""

_LINUX = sys.platform == "linux"
_CONTEXT = multiprocessing.get_context("forkserver") if _LINUX else multiprocessing.get_context("spawn")
_CONTEXT.set_forkserver_preload(["deploy.loaded"])
_ONE_AT_A_TIME = Lock()
"""Beginning a process asks whether others have ended, which two threads must not do at once."""


class Child:
    """A process that runs `module` with `arguments` in this process's environment."""

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        self._reader, writer = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_run, args=(writer, module, arguments))
        with writer, _ONE_AT_A_TIME:
            self._process.start()

    def lines(self) -> Iterator[str]:
        """Yield what it says, standard output and error together, until it ends."""
        with (
            self._reader,
            open(self._reader.fileno(), encoding="utf-8", errors="replace", closefd=False) as lines,
        ):
            yield from lines

    def wait(self) -> int:
        """Return how it ended, when its lines are over: its exit code, or the negative of a signal's number."""
        with _ONE_AT_A_TIME:
            self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()


def _run(writer: Connection, module: str, arguments: Sequence[str]) -> None:
    os.nice(NICENESS)
    with writer:
        os.dup2(writer.fileno(), 1)
        os.dup2(writer.fileno(), 2)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)

"""Make models: train and export each in processes of their own, several at once, each with a log of its own.

Knows the command lines of training and export, and nothing of their insides. A job that fails leaves the others
alone. A kill at any moment is repaired by the next start: training resumes, and a version that is not whole was
never published.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from deploy.child import Child
from deploy.collection import Making, finished_run
from deploy.display import Display

TRAINING, EXPORT = "training", "export"
LOG = "make.log"
EPOCH = re.compile(r"epoch (\d+)/(\d+) ")
TRAINED_SHARE = 0.9
"""How much of a job is done when it is trained; the rest is its export."""


class FailedError(Exception):
    """A process of the job ended badly; the message is the last thing that it said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the making of one job ended: `failure` is empty if it went well; `log` has all that was said."""

    job: str
    seconds: float
    log: Path
    failure: str = ""


class Maker:
    """Makes jobs, `at_once` of them at a time."""

    def __init__(self, making: Making, display: Display, *, at_once: int = 1) -> None:
        self._making, self._display, self._at_once = making, display, at_once
        self._running: set[Child] = set()
        self._stopped = False

    def make(self, jobs: Sequence[str]) -> list[Outcome]:
        """Make all jobs, and return how each that was begun ended; an interrupt ends what is running."""
        with ThreadPoolExecutor(self._at_once) as threads:
            futures = [threads.submit(self._make, job) for job in jobs]
            try:
                outcomes = [future.result() for future in futures]
            except BaseException:
                self._stop()
                raise
        return [outcome for outcome in outcomes if outcome is not None]

    def _stop(self) -> None:
        self._stopped = True
        for child in tuple(self._running):
            child.terminate()

    def _make(self, job: str) -> Outcome | None:
        if self._stopped:
            return None
        began_s = time.monotonic()
        path = self._making.runs / job / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as log:
            try:
                said = self._train_and_export(job, log)
                failure = ""
            except FailedError as error:
                said = failure = str(error)
        seconds = time.monotonic() - began_s
        self._display.end(job, f"failed: {said}; see {path}" if failure else f"{said} in {seconds:.0f} s")
        return Outcome(job, seconds, path, failure)

    def _train_and_export(self, job: str, log: TextIO) -> str:
        making = self._making
        found = None if making.fresh else finished_run(making.runs, job, making.profile)
        if found is None:
            self._display.tell(job, 0.0, f"training ({making.profile})")
            flags = ("--profile", making.profile, "--runs", str(making.runs), "--resume")
            run = self._run(job, log, TRAINING, job, *flags)
        else:
            run = str(found.path)
        self._display.tell(job, TRAINED_SHARE, "exporting")
        self._run(job, log, EXPORT, run, "--models", str(making.models))
        return "published"

    def _run(self, job: str, log: TextIO, module: str, *arguments: str) -> str:
        """Run a module of ours, pass on its epochs, and return its last line; raises FailedError if it ends badly."""
        child = Child(module, arguments)
        self._running.add(child)
        if self._stopped:
            child.terminate()
        last = ""
        for line in child.lines():
            log.write(line)
            log.flush()
            last = line.strip() or last
            if epoch := EPOCH.match(line):
                self._display.tell(job, TRAINED_SHARE * int(epoch[1]) / int(epoch[2]), line.strip())
        code = child.wait()
        self._running.discard(child)
        if code < 0:
            raise FailedError("stopped" if self._stopped else f"{module} was ended by signal {-code}")
        if code > 0:
            raise FailedError(last or f"{module} ended with {code}")
        return last


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(at_once: int) -> dict[str, str]:
    """Return the environment that shares the processors among so many trainings; nothing for one, which has them all."""
    if at_once == 1:
        return {}
    share = str(-(-processors() // at_once))
    return dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), share)

"""Show how far the making of several models is: one overall bar on a terminal, plain lines elsewhere.

Knows names, shares and words to show. Knows nothing of processes; may be told from several threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """Hears what happens to each job; `share` is how much of it is done, from 0 to 1."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the terminal."""

    def tell(self, job: str, share: float, text: str) -> None:
        """A job began something, or is further with it."""

    def end(self, job: str, text: str) -> None:
        """A job is made, or has failed."""


class Lines:
    """A line for each thing that happens."""

    def __init__(self, jobs: Sequence[str], console: Console) -> None:
        self._count, self._ended, self._console = len(jobs), itertools.count(1), console
        self._width = max(map(len, jobs), default=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def tell(self, job: str, share: float, text: str) -> None:  # noqa: ARG002  # a line has no bar
        """Print it."""
        self._print(job, text)

    def end(self, job: str, text: str) -> None:
        """Print it, and how many have ended."""
        self._print(job, f"{text} ({next(self._ended)} of {self._count})")

    def _print(self, job: str, text: str) -> None:
        self._console.print(f"{job:{self._width}}  {text}", markup=False, highlight=False, soft_wrap=True)


class Bars:
    """A bar over all jobs, and below it one line for each that is being made."""

    def __init__(self, jobs: Sequence[str], console: Console) -> None:
        text = TextColumn("{task.fields[text]}", markup=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            text,
            console=console,
        )
        self._all = self._bars.add_task("all models", total=len(jobs), text=f"0 of {len(jobs)}")
        self._count = len(jobs)
        self._shares = dict.fromkeys(jobs, 0.0)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def tell(self, job: str, share: float, text: str) -> None:
        """Move the job's bar and the overall one."""
        if job not in self._tasks:
            self._tasks[job] = self._bars.add_task(job, total=1.0, text="")
        self._bars.update(self._tasks[job], completed=share, text=text)
        self._move(job, share)

    def end(self, job: str, text: str) -> None:
        """Leave a line of the job above the bars."""
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
        self._move(job, 1.0)
        self._bars.console.print(f"{job}: {text}", markup=False, highlight=False, soft_wrap=True)

    def _move(self, job: str, share: float) -> None:
        self._shares[job] = share
        ended = sum(each == 1.0 for each in self._shares.values())
        done = sum(self._shares.values())
        self._bars.update(self._all, completed=done, text=f"{ended} of {self._count}")


def for_console(jobs: Sequence[str], console: Console) -> Display:
    """Return what suits the console."""
    return Bars(jobs, console) if console.is_terminal else Lines(jobs, console)

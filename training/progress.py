"""One progress bar over all epochs of a training; a plain line per epoch where nobody watches a terminal.

Knows counts and numbers to show, nothing of what is trained.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Logs = dict[str, Any] | None


def describe(values: Mapping[str, Any]) -> str:
    """Return `loss 0.1234 · val_loss 0.2345`, without the learning rate."""
    shown = (f"{name} {float(value):.4f}" for name, value in values.items() if name != "learning_rate")
    return " · ".join(shown)


class Progress(keras.callbacks.Callback):
    """Show how far a training of `epochs` epochs is, of which `done` were made before."""

    def __init__(self, console: Console, *, epochs: int, done: int = 0) -> None:
        super().__init__()
        self._console, self._epochs, self._done = console, epochs, done
        self._bars: Bars | None = None
        self._task = TaskID(0)
        self._epoch_began_s = 0.0
        self._validation = ""

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Draw the bar."""
        if not self._console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=14),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Bars(*columns, console=self._console)
        self._task = self._bars.add_task("training", total=None, numbers="")
        self._bars.start()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Say which epoch has begun."""
        self._epoch_began_s = time.monotonic()
        if self._bars is not None:
            heading = f"epoch {epoch + 1}/{self._epochs}"
            self._bars.update(self._task, description=heading, total=self._total())

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Move the bar by one batch."""
        if self._bars is not None:
            loss = describe({"loss": (logs or {}).get("loss", float("nan"))})
            self._bars.update(self._task, advance=1, numbers=loss + self._validation)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show what the epoch reached."""
        logs = logs or {}
        if self._bars is None:
            seconds = time.monotonic() - self._epoch_began_s
            line = f"epoch {epoch + 1}/{self._epochs}  {describe(logs)}  {seconds:.1f} s"
            self._console.print(line, soft_wrap=True)
            return
        # Two numbers fit beside the bar on a terminal of 80 columns; the log has them all.
        shown: dict[str, Any] = {name: logs[name] for name in ("loss", "val_loss") if name in logs}
        self._validation = f" · {describe({'val_loss': logs['val_loss']})}" if "val_loss" in logs else ""
        self._bars.update(self._task, numbers=describe(shown), total=self._total())

    def on_train_end(self, logs: Logs = None) -> None:  # noqa: ARG002  # Keras passes it
        """Let go of the terminal."""
        self.close()

    def close(self) -> None:
        """Let go of the terminal, however training ended."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _total(self) -> int | None:
        steps = (self.params or {}).get("steps")
        return None if steps is None else int(steps) * (self._epochs - self._done)

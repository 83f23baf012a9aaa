"""A run directory: everything that one training read and produced, and enough to repeat it.

Knows files and their names, nothing of Keras. A kill at any moment leaves a run that can be continued
or a complete one: each file is replaced whole, and `status: complete` is written last.

    runs/<job>/<run>/
        run.json          what was trained, on what, with which versions, and whether it is complete
        settings.json     the resolved settings
        metrics.json      metrics on held-out data
        best.weights.h5   the weights with the best monitored metric
        checkpoint/       the last epoch with its optimizer, for --resume
        log.csv           one row for each epoch
        tensorboard/      the same for TensorBoard
        plots/            learning curves and the job's own pictures
        epochs/           pictures that a job draws after each epoch
        assets/           labels, tokenizers, examples.npz
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from training import atomic, jobs
from training.errors import RunError
from training.job import Job, Profile, Settings, Word

RECORD = "run.json"
SETTINGS = "settings.json"
METRICS = "metrics.json"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"


class DataRecord(BaseModel):
    """What was trained on: in words, and the number of examples in each part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sizes: dict[str, int]


class ExpectedMetric(BaseModel):
    """The bounds within which a held-out metric is as good as promised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    at_least: float | None = None
    at_most: float | None = None


class Record(BaseModel):
    """The typed `run.json`. `data` is None until the data were loaded, `parameters` until the model
    was built; `seconds` counts all attempts.

    `running` is also what a killed training leaves, and what can be continued; `failed` is one that
    diverged, and would again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    job: str
    word: Word
    run: str
    profile: Profile
    seed: int
    status: Literal["running", "complete", "failed"]
    started: datetime
    seconds: float = 0.0
    parameters: int | None = None
    command: str
    revision: str
    libraries: dict[str, str]
    expected: tuple[ExpectedMetric, ...] = ()
    data: DataRecord | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The typed view of a run directory."""

    path: Path
    record: Record
    resolved: dict[str, object]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a run directory; raises RunError if it is none."""
        try:
            record = Record.model_validate_json((path / RECORD).read_bytes())
            resolved = json.loads((path / SETTINGS).read_bytes())
        except OSError as error:
            raise RunError(f"{path} is not a run: {Path(error.filename).name}: {error.strerror}") from error
        except (ValidationError, ValueError) as error:
            raise RunError(f"{path} is not a run: {error}") from error
        return cls(path, record, resolved)

    @classmethod
    def create(cls, path: Path, record: Record, settings: Settings) -> Self:
        """Make a new run directory; raises RunError if there is one, or it cannot be written."""
        if path.exists():
            raise RunError(f"run {path} exists; continue it with --resume or choose another --run")
        try:
            with atomic.directory(path) as beside:
                atomic.write_json(beside / SETTINGS, settings.model_dump(mode="json"))
                atomic.write_text(beside / RECORD, record.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise RunError(f"run {path} cannot be created: {error.strerror}") from error
        return cls(path, record, settings.model_dump(mode="json"))

    @property
    def job(self) -> Job[Any, Any]:
        """The job that made this run."""
        return jobs.find(self.record.job)

    @property
    def settings(self) -> Settings:
        """The resolved settings, of the job's own class."""
        settings: Settings = self.job.settings.model_validate(self.resolved)
        return settings

    @property
    def complete(self) -> bool:
        """Whether training and evaluation have ended."""
        return self.record.status == "complete"

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics on held-out data; raises RunError while the run is not complete."""
        if not self.complete:
            raise RunError(f"run {self.path} is not complete; continue it with --resume")
        metrics: dict[str, float] = json.loads((self.path / METRICS).read_bytes())
        return metrics

    @property
    def assets(self) -> Path:
        """The directory of labels, tokenizers and examples."""
        return self.path / "assets"

    @property
    def examples(self) -> Path:
        """Real held-out inputs by input name, as `.npz`."""
        return self.assets / "examples.npz"

    @property
    def plots(self) -> Path:
        """The directory of pictures."""
        return self.path / "plots"

    @property
    def pictures(self) -> Path:
        """The directory of pictures drawn after each epoch; a job that draws any makes it."""
        return self.path / "epochs"

    @property
    def log(self) -> Path:
        """The CSV of epochs."""
        return self.path / "log.csv"

    @property
    def tensorboard(self) -> Path:
        """The directory of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def checkpoint(self) -> Path:
        """The directory of the last epoch."""
        return self.path / "checkpoint"

    @property
    def best_weights(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.weights.h5"

    def update(self, **changes: object) -> Run:
        """Write and return the run with `changes` to its record."""
        record = Record.model_validate(self.record.model_dump() | changes)
        atomic.write_text(self.path / RECORD, record.model_dump_json(indent=2) + "\n")
        return Run(self.path, record, self.resolved)

    def discard(self) -> None:
        """Remove the directory of a run in which nothing was trained."""
        shutil.rmtree(self.path)

    def finish(self, metrics: dict[str, float], seconds: float) -> Run:
        """Write the metrics, and last of all that the run is complete."""
        atomic.write_json(self.path / METRICS, metrics)
        return self.update(status="complete", seconds=seconds)


def check_name(name: str) -> str:
    """Return `name` if it can be that of a run; raises RunError."""
    if not re.fullmatch(NAME, name):
        raise RunError(f"run name '{name}': expected letters, digits, dots, dashes and underscores")
    return name


def new_name(now: datetime | None = None) -> str:
    """Return a name for a run that sorts by time, such as 20260714-091502-120."""
    moment = now or datetime.now(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}"


def newest_first(root: Path, job: str) -> Iterator[Run]:
    """Yield the readable runs of a job below `root`, the newest first; broken directories are skipped."""
    found = []
    for path in (root / job).glob(f"*/{RECORD}"):
        try:
            found.append(Run.open(path.parent))
        except RunError:
            continue
    yield from sorted(found, key=lambda run: run.record.started, reverse=True)

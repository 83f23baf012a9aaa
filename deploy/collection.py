"""Which models there are to be made, and which of them are there already.

Knows names of jobs, run directories and version directories. Knows nothing of how a model is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service import bundle
from training.errors import UnknownJob
from training.jobs import JOBS
from training.run import Run, newest_first

FIRST = ("tumour-autoencoder", "digits-cnn", "prose-lstm", "chat-gru", "english-french")
"""What a newcomer gets: a model or two for each word that has one to try, quickest first."""

LONG = (
    "reviews-bilstm",
    "objects-cnn",
    "objects-resnet",
    "digits-gan",
    "images-metadata",
    "reviews-attention",
)
"""What is made next, longest first: of several at once, none shall be left to run alone at the end."""

GROUPS = ("first", "all")
"""What may stand for several names."""

BETTER = ("smoke", "quick", "full")
"""Profiles, each better trained than the one before."""


@dataclass(frozen=True, slots=True)
class Making:
    """How long and how well jobs train, where their runs are kept, and where their versions go.

    With `fresh`, a run that is there already is not exported: a new one is made.
    """

    profile: str
    runs: Path
    models: Path
    fresh: bool = False


def chosen(named: str) -> tuple[str, ...]:
    """Return the jobs that `named` lists with commas between them, in the order in which they are made; raises
    UnknownJob.
    """
    everything = (*FIRST, *LONG, *(job for job in JOBS if job not in {*FIRST, *LONG}))
    wanted = {name for name in (part.strip() for part in named.split(",")) if name}
    if unknown := wanted - {*everything, *GROUPS}:
        raise UnknownJob(f"there is no job '{min(unknown)}'; there are {', '.join((*JOBS, *GROUPS))}")
    if not wanted:
        raise UnknownJob(f"no job is named; there are {', '.join((*JOBS, *GROUPS))}")
    if "all" in wanted:
        return everything
    return tuple(job for job in everything if job in wanted or ("first" in wanted and job in FIRST))


def missing(models: Path, jobs: Iterable[str] = FIRST) -> list[str]:
    """Return which of `jobs` have no published version below `models`, whatever its profile."""
    return [job for job in jobs if not any((models / job).glob(f"[0-9]*/{bundle.MANIFEST}"))]


def outdated(making: Making, jobs: Iterable[str]) -> list[str]:
    """Return which of `jobs` have no version, or a newest one of a lesser profile, or one that cannot be read.

    With `fresh` it is all of them. A model of the job's name that another job made is left alone.
    """
    return [job for job in jobs if making.fresh or not _up_to_date(making, job)]


def newest_version(models: Path, name: str) -> Path | None:
    """Return the directory of the published version of a model with the highest number."""
    versions = [path.parent for path in (models / name).glob(f"*/{bundle.MANIFEST}")]
    return max(
        (path for path in versions if path.name.isdecimal()), key=lambda path: int(path.name), default=None
    )


def finished_run(runs: Path, job: str, profile: str) -> Run | None:
    """Return the newest complete run of a job in a profile."""
    found = (run for run in newest_first(runs, job) if run.complete and run.record.profile == profile)
    return next(found, None)


def _up_to_date(making: Making, job: str) -> bool:
    version = newest_version(making.models, job)
    if version is None:
        return False
    try:
        made = bundle.read(version).provenance
    except bundle.BundleError:
        return False
    known = made.job == job and made.profile in BETTER
    return not known or BETTER.index(made.profile) >= BETTER.index(making.profile)

"""Gather what every job reached from its newest version on disk, and measure its graphs against its SavedModel.

Knows model directories, manifests and the table of jobs. Nothing is trained here, and no figure comes from anywhere but
a manifest or a measurement; the page itself is written by `results_page`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export import golden, graph, parity, saved_model
from export.drawing import Case, draw, free_axes
from export.errors import ExportError
from export.recipe import Arrays
from export.speed import compare
from service import bundle
from service.bundle import BundleError, Manifest
from training import jobs
from training.job import Expectation
from training.jobs import JOBS

ROWS = (1, 32)
LONGEST = 20
"""How long the sequences are for which speeds are compared, where a model allows so many."""

USUAL = {"learning-curves.png", "learning-rate.png"}
"""What every job draws; its own pictures tell more."""


@dataclass(frozen=True, slots=True)
class Result:
    """One job and what is known of it: nothing but `missing`, the reason, if there is no version to be read.

    `expected` has the bounds of metrics; `speedups` says for a number of rows how many times as long TensorFlow takes as
    ONNX Runtime.
    """

    job: str
    word: str
    about: str
    missing: str = ""
    manifest: Manifest | None = None
    expected: tuple[Expectation, ...] = ()
    speedups: Mapping[int, float] = field(default_factory=dict)
    picture: Path | None = None


def gather(models: Path, profile: str, *, budget_s: float = 0.5) -> Iterator[Result]:
    """Yield the result of each job in the table, in its order; one that is not trained or broken says so."""
    for job, entry in JOBS.items():
        directory = newest(models / job, profile)
        if directory is None:
            yield Result(job, entry.word, entry.about, missing=f"not trained ({profile})")
            continue
        try:
            manifest = bundle.read(directory)
            speedups = measure(directory, manifest, budget_s)
        except (BundleError, ExportError) as error:
            yield Result(job, entry.word, entry.about, missing=f"cannot be read: {error}")
            continue
        yield Result(
            job,
            entry.word,
            entry.about,
            manifest=manifest,
            expected=jobs.find(job).expected,
            speedups=speedups,
            picture=main_picture(directory / bundle.REPORT),
        )


def newest(model: Path, profile: str) -> Path | None:
    """Return the newest version of a model that was trained in `profile`, or that cannot be read; None without one."""
    versions = [path.parent for path in model.glob(f"*/{bundle.MANIFEST}") if path.parent.name.isdecimal()]
    for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
        try:
            if bundle.read(version).provenance.profile == profile:
                return version
        except BundleError:
            return version
    return None


def main_picture(report: Path) -> Path | None:
    """Return the picture that tells most: a confusion matrix, else the first of the job's own, else any."""
    pictures = sorted(report.glob("*.png"))
    own = [picture for picture in pictures if picture.name not in USUAL]
    matrix = [picture for picture in own if picture.stem == "confusion-matrix"]
    return next(iter((*matrix, *own, *pictures)), None)


def measure(directory: Path, manifest: Manifest, budget_s: float) -> dict[int, float]:
    """Return by rows how many times as long the SavedModel's default signature takes as its ONNX graph.

    ONNX Runtime has one thread, TensorFlow as many as it likes. Raises ExportError or BundleError.
    """
    name, signature = manifest.default_signature, manifest.default
    saved = saved_model.runner(saved_model.load(directory), signature.saved_model_signature)
    converted = graph.runner(directory / signature.file)
    longest = min(LONGEST, parity.measure(manifest.task).longest)
    sizes = dict.fromkeys(free_axes(signature.inputs), longest)
    example = _example(directory, manifest, name)
    return {
        rows: compare(saved, converted, draw(signature.inputs, Case(rows, sizes, seed=1, mixed=True), example).feeds,
                      budget_s=budget_s).ratio
        for rows in ROWS
    }  # fmt: skip


def _example(directory: Path, manifest: Manifest, name: str) -> Arrays | None:
    for entry in manifest.golden:
        if entry.signature == name:
            return golden.read(directory / entry.file, manifest.signatures[name])[0]
    return None

"""Repeat on a finished bundle all that was checked when it was made.

Knows a version directory, and needs nothing else: no run, no exporter.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from export import coherence, company, golden, graph, parity, saved_model
from export.errors import ExportError, RecipeError
from export.probe import probe
from export.recipe import Arrays
from service import bundle
from service.bundle import BundleError, Golden, Manifest, Parity, Signature, Variant

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` says what was found, or why it is refused."""

    name: str
    passed: bool
    detail: str


class _RefusedError(Exception):
    def __init__(self, check: Check) -> None:
        super().__init__(check.detail)
        self.check = check


def verify(directory: Path, *, tolerance: float | None = None) -> Iterator[Check]:
    """Yield what was found, one check after the other, and stop at the first thing refused.

    Manifest, checksums, task, SavedModel; then for each signature its graph, a probe in a process of its own,
    the parity gate, rows alone and in company, and its golden requests on both sides. `tolerance` replaces the ones in the manifest.
    """
    try:
        yield from _checks(directory, tolerance)
    except _RefusedError as refused:
        yield refused.check


def _checks(directory: Path, tolerance: float | None) -> Iterator[Check]:
    manifest = _look("manifest", _manifest, directory)
    yield Check("manifest", True, f"{manifest.name} version {manifest.version}, {manifest.task.word}")
    _look("files", bundle.verify_files, directory, manifest.files)
    size_bytes = sum(file.bytes for file in manifest.files.values())
    yield Check("files", True, f"{len(manifest.files)} files, {size_bytes / 1e6:.1f} MB, checksums right")
    _look("task", _task, manifest)
    yield Check("task", True, f"'{manifest.task.word}' agrees with the signatures")
    loaded = _look("SavedModel", saved_model.load, directory)
    yield Check("SavedModel", True, f"signatures {', '.join(sorted(loaded.signatures))}")
    for name in manifest.signatures:
        yield from _signature_checks(name, directory, manifest, loaded, tolerance)


def _signature_checks(
    name: str, directory: Path, manifest: Manifest, loaded: Any, tolerance: float | None
) -> Iterator[Check]:
    signature = manifest.signatures[name]
    by = parity.measure(manifest.task, _tolerance(name, manifest, tolerance))
    requests = [entry for entry in manifest.golden if entry.signature == name]
    example = _look(f"{name}: graph", _graph, directory, signature, requests)
    yield Check(f"{name}: graph", True, f"{signature.file} is valid and runs in a process of its own")
    sides = _look(f"{name}: parity", _sides, directory, signature, loaded)
    reached = _look(f"{name}: parity", parity.gate, name, signature, sides, by, example=example)
    yield Check(f"{name}: parity", True, _say(reached))
    rows = _look(f"{name}: rows", company.check, name, signature, sides[1], by, example=example)
    yield Check(f"{name}: rows", True, f"{rows} rows are answered alike alone and in a padded batch")
    for entry in requests:
        apart = _look(f"{name}: golden request", _replay, directory, signature, entry, sides, by)
        yield Check(f"{name}: golden request", True, f"largest difference {apart:.1e}")
        for key, variant in signature.variants.items():
            apart = _look(f"{name}: {key}", _replay_variant, directory, signature, entry, variant)
            yield Check(f"{name}: {key}", True, f"runs by itself; largest difference {apart:.1e}")


def _look(name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except (BundleError, ExportError) as error:
        raise _RefusedError(Check(name, passed=False, detail=str(error))) from error


def _manifest(directory: Path) -> Manifest:
    manifest = bundle.read(directory)
    place = directory.resolve().name
    if place.isdecimal() and int(place) != manifest.version:
        raise BundleError(f"{bundle.MANIFEST} is of version {manifest.version}, the directory is '{place}'")
    return manifest


def _task(manifest: Manifest) -> None:
    coherence.check(manifest.task, manifest.signatures)
    for name in (*coherence.assets(manifest.task), *(entry.file for entry in manifest.golden)):
        if name not in manifest.files:
            raise RecipeError(f"the file '{name}' is needed, but is not among the files of the manifest")
    for entry in manifest.golden:
        if entry.signature not in manifest.signatures:
            raise RecipeError(f"a golden request is for '{entry.signature}', which is no signature")


def _tolerance(name: str, manifest: Manifest, given: float | None) -> float:
    if given is not None:
        return given
    return manifest.parity[name].tolerance if name in manifest.parity else parity.TOLERANCE


def _graph(directory: Path, signature: Signature, requests: list[Golden]) -> Arrays:
    """Check the graph, probe it, and return the inputs that it was probed with."""
    path = directory / signature.file
    graph.conform(graph.read(path), signature.inputs, signature.outputs)
    if requests:
        inputs, _ = golden.read(directory / requests[0].file, signature)
        probe(path, directory / requests[0].file)
        return inputs
    inputs = golden.request(signature.inputs, None)
    with tempfile.TemporaryDirectory() as place:
        golden.write(Path(place) / "drawn.npz", inputs, {})
        probe(path, Path(place) / "drawn.npz")
    return inputs


def _sides(directory: Path, signature: Signature, loaded: Any) -> tuple[parity.Runner, parity.Runner]:
    saved = saved_model.runner(loaded, signature.saved_model_signature)
    return saved, graph.runner(directory / signature.file)


def _replay(
    directory: Path,
    signature: Signature,
    entry: Golden,
    sides: tuple[parity.Runner, parity.Runner],
    by: parity.Measure,
) -> float:
    """Send a golden request to both sides; returns how far the further one is from the recorded answer."""
    inputs, recorded = golden.read(directory / entry.file, signature)
    allowed = parity.Measure(entry.tolerance, by.decisions)
    return max(parity.compare(recorded, side(inputs), allowed) for side in sides)


def _replay_variant(directory: Path, signature: Signature, entry: Golden, variant: Variant) -> float:
    """Check the graph of a variant as that of its original, and return how far it is from the recorded answer."""
    path = directory / variant.file
    graph.conform(graph.read(path), signature.inputs, signature.outputs)
    probe(path, directory / entry.file)
    inputs, recorded = golden.read(directory / entry.file, signature)
    floats = {name: array for name, array in recorded.items() if array.dtype.kind == "f"}
    got = graph.runner(path)(inputs)
    return parity.compare(floats, {name: got[name] for name in floats}, parity.Measure(variant.tolerance))


def _say(reached: Parity) -> str:
    ragged = ", ragged ones among them" if reached.ragged else ""
    return f"{reached.max_relative:.1e} in {reached.cases} cases{ragged}; tolerance {reached.tolerance:.0e}"

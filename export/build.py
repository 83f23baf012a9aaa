"""Make a version directory from a recipe, check it, and publish it.

Knows the order of the steps and the names of the files. Knows no job and no word.

SavedModel → reload → for each signature: ONNX, golden request, probe in a process of its own, parity gate, rows
alone and in company, variants → report → manifest → one rename. Whatever fails, nothing is published.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from export import (
    card,
    coherence,
    company,
    conversion,
    golden,
    graph,
    parity,
    pictures,
    saved_model,
    variants,
)
from export.errors import ConversionError, PublishError, RecipeError
from export.probe import probe
from export.publish import publish, workspace
from export.recipe import Endpoint, Recipe, Source
from export.variants import Trial
from service import bundle
from service.bundle import Golden, Manifest, Parity, Provenance, Signature
from service.domain import NAME_PATTERN

TOOLS = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")

Tell = Callable[[str], object]
"""Hears what is being done, in a few words."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a version goes: `<models>/<name>/<version>`; without a version it is the next one."""

    models: Path
    name: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A version in the making: what it is made from, and what is known of its signatures so far."""

    name: str
    source: Source
    recipe: Recipe
    signatures: dict[str, Signature]
    parity: dict[str, Parity] = field(default_factory=dict)
    golden: list[Golden] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)


def build(
    source: Source,
    recipe: Recipe,
    target: Target,
    *,
    tolerance: float = parity.TOLERANCE,
    tell: Tell = str,
) -> Path:
    """Write, check and publish one version; returns its directory.

    Raises ExportError, naming what is wrong, if any check refuses it; then nothing was published.
    """
    draft = _Draft(target.name, source, recipe, _signatures(recipe))
    by = parity.measure(recipe.task, tolerance)
    _check(draft)
    with workspace(target.models, target.name) as directory:
        tell("writing the SavedModel")
        saved_model.write(recipe.endpoints, directory)
        _copy_assets(draft, directory)
        loaded = saved_model.load(directory)
        for endpoint in recipe.endpoints:
            tell(f"converting and probing '{endpoint.name}'")
            _make(draft, endpoint, loaded, directory, by)
            tell(f"comparing '{endpoint.name}'")
            _gate(draft, endpoint, loaded, directory, by)
            tell(f"trying variants of '{endpoint.name}'")
            _try_variants(draft, endpoint, directory)
        tell("writing report and manifest")
        _report(draft, directory)
        return publish(directory, target.version, lambda place, number: _describe(draft, place, number))


def _signatures(recipe: Recipe) -> dict[str, Signature]:
    return {
        endpoint.name: Signature(
            # The default signature has the name that other servers look for.
            file=f"{endpoint.name}.onnx" if index else bundle.DEFAULT_GRAPH,
            saved_model_signature=endpoint.name,
            inputs=endpoint.inputs,
            outputs=endpoint.outputs,
        )
        for index, endpoint in enumerate(recipe.endpoints)
    }


def _check(draft: _Draft) -> None:
    if not re.fullmatch(NAME_PATTERN, draft.name):
        raise RecipeError(f"model name '{draft.name}': expected letters, digits, '.', '_' and '-'")
    names = [endpoint.name for endpoint in draft.recipe.endpoints]
    if not names or len(set(names)) < len(names):
        raise RecipeError(f"the endpoints must have names of their own, got {names}")
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in {"model", saved_model.SERVING_DEFAULT}:
            raise RecipeError(f"endpoint '{name}': expected a word that is no file's or server's already")
    for name, path in draft.recipe.assets.items():
        if Path(name).name != name or not path.is_file():
            raise RecipeError(f"asset '{name}': {path} is not a file, or the name is not a plain one")
    coherence.check(draft.recipe.task, draft.signatures)


def _copy_assets(draft: _Draft, directory: Path) -> None:
    (directory / bundle.ASSETS).mkdir()
    for name, path in draft.recipe.assets.items():
        shutil.copyfile(path, directory / bundle.ASSETS / name)
    for name in coherence.assets(draft.recipe.task):
        if not (directory / name).is_file():
            raise RecipeError(f"the task needs the file '{name}', which is not among the assets")


def _make(draft: _Draft, endpoint: Endpoint, loaded: Any, directory: Path, by: parity.Measure) -> None:
    """Write the graph and the golden request of one endpoint, and run one on the other out of this process."""
    model = endpoint.graph() if endpoint.graph else conversion.convert(loaded, endpoint.name)
    try:
        graph.conform(model, endpoint.inputs, endpoint.outputs)
    except ConversionError as error:
        raise ConversionError(f"signature '{endpoint.name}': {error}") from error
    path = directory / draft.signatures[endpoint.name].file
    graph.write(model, path)
    request = golden.request(endpoint.inputs, endpoint.example)
    answer = golden.record(saved_model.runner(loaded, endpoint.name), endpoint.inputs, request, by)
    recorded = golden.file(endpoint.name)
    golden.write(directory / recorded, *answer)
    probe(path, directory / recorded)
    draft.golden.append(
        Golden(signature=endpoint.name, file=recorded, tolerance=by.tolerance * golden.LEEWAY)
    )


def _gate(draft: _Draft, endpoint: Endpoint, loaded: Any, directory: Path, by: parity.Measure) -> None:
    signature = draft.signatures[endpoint.name]
    sides = saved_model.runner(loaded, endpoint.name), graph.runner(directory / signature.file)
    draft.parity[endpoint.name] = parity.gate(endpoint.name, signature, sides, by, example=endpoint.example)
    company.check(endpoint.name, signature, sides[1], by, example=endpoint.example)


def _try_variants(draft: _Draft, endpoint: Endpoint, directory: Path) -> None:
    signature = draft.signatures[endpoint.name]
    base = variants.Base(
        endpoint.name, signature, directory, directory / golden.file(endpoint.name), endpoint.example
    )
    tried = list(variants.trials(base, draft.recipe.task))
    offered = {
        trial.name: trial.variant for trial in tried if trial.variant is not None and not trial.refused
    }
    draft.signatures[endpoint.name] = signature.model_copy(update={"variants": offered})
    draft.trials.extend(tried)


def _report(draft: _Draft, directory: Path) -> None:
    report = directory / bundle.REPORT
    report.mkdir()
    log = draft.source.directory / "log.csv"
    if log.is_file():
        shutil.copyfile(log, report / log.name)
    drawn, written = pictures.copy(draft.source.directory / "plots", report)
    starts = {name: (report / name).read_text(encoding="utf-8")[: card.SAMPLE] for name in written}
    shown = card.Shown(drawn, starts, draft.trials)
    text = card.text(draft.name, draft.source, draft.recipe, draft.signatures, draft.parity, shown)
    (report / card.FILE).write_text(text, encoding="utf-8")


def _describe(draft: _Draft, directory: Path, version: int) -> None:
    """Write the manifest, and read it as the gateway will."""
    path = directory / bundle.MANIFEST
    path.unlink(missing_ok=True)
    try:
        manifest = Manifest(
            name=draft.name,
            version=version,
            created=datetime.now(UTC),
            task=draft.recipe.task,
            default_signature=draft.recipe.endpoints[0].name,
            signatures=draft.signatures,
            examples=bundle.derived_examples(draft.recipe.task, draft.signatures),
            metrics=dict(draft.source.metrics),
            parity=draft.parity,
            golden=tuple(draft.golden),
            batching=draft.recipe.batching,
            provenance=_provenance(draft.source.provenance),
            files=bundle.describe_files(directory),
        )
        path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        bundle.read(directory)
    except (ValidationError, bundle.BundleError) as error:
        raise PublishError(f"the manifest would not be valid: {error}") from error


def _provenance(run: Provenance) -> Provenance:
    """Add the versions that made the bundle to those that trained the model, which win."""
    tools = {}
    for name in TOOLS:
        try:
            tools[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # onnxruntime has another name where there is a GPU
            continue
    return run.model_copy(update={"libraries": dict(sorted((tools | run.libraries).items()))})

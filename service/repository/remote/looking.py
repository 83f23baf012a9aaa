"""Look at a store: which models and versions lie at a URL, what tells that one has changed, and the labels.

Knows names, numbers and `index.json`. Fetches nothing but small files, and remembers nothing.

`URL/NAME/VERSION/manifest.json` makes a version; what has none is still being put there, and is left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import ValidationError

from service.bundle import INDEX, LABELS, MANIFEST, Index, problem, read_labels
from service.config import Url
from service.domain import NAME_PATTERN, ModelId
from service.repository.plan import Labels
from service.repository.remote.contents import LARGEST_MANIFEST_BYTES
from service.repository.remote.files import FileMissing, Files, Unreachable, read
from service.repository.store import LARGEST_LABELS_BYTES, LARGEST_VERSION, VERSION_PATTERN

PARALLEL = 8
LARGEST_INDEX_BYTES = 16 * 2**20
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class Site:
    """A URL below which models lie, or, with a `name`, the versions of that model."""

    url: Url
    name: str | None = None

    def place_of(self, model: ModelId) -> str:
        """Return where a version lies, relative to the URL."""
        return str(model.version) if self.name else f"{model.name}/{model.version}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies at a URL: versions with a tag that is another if they have changed, labels, and what was left alone."""

    versions: Mapping[ModelId, str]
    labels: Labels
    problems: tuple[str, ...] = ()


def look(files: Files, site: Site) -> Seen:
    """Return what is there. Over HTTP, an `index.json` at the URL is believed where there is one.

    Raises Unreachable if the store does not answer, or has
    nothing at that place: a place that is gone is no order to unload.
    """
    name = site.name
    if name is None and site.url.scheme in {"http", "https"}:
        index = _index(files)
        if index is not None:
            return index
    try:
        found = files.names("")
    except FileMissing:
        raise Unreachable("there is nothing at that place") from None
    with ThreadPoolExecutor(PARALLEL, "look") as threads:
        if name is not None:
            homes = {"": (name, found)}
        else:
            names = sorted(each for each in found if _NAME.fullmatch(each))
            inside = threads.map(lambda each: _names(files, each), names)
            homes = {f"{each}/": (each, content) for each, content in zip(names, inside, strict=True)}
        places = [
            (ModelId(model, int(number)), f"{home}{number}")
            for home, (model, content) in homes.items()
            for number in content
            if VERSION_PATTERN.fullmatch(number) and int(number) <= LARGEST_VERSION
        ]
        tags = list(threads.map(lambda each: _tag(files, each[1]), places))
    problems = [
        f"'{place}' has no {MANIFEST}, and is left alone"
        for (_, place), tag in zip(places, tags, strict=True)
        if tag is None
    ]
    labels = dict(_labels(files, homes, problems))
    return Seen(
        {model: tag for (model, _), tag in zip(places, tags, strict=True) if tag is not None},
        labels,
        tuple(sorted(problems)),
    )


def _names(files: Files, directory: str) -> frozenset[str]:
    try:
        return files.names(directory)
    except FileMissing:
        return frozenset()  # removed while we looked, or a file


def _tag(files: Files, place: str) -> str | None:
    """Return what changes with the manifest of a version, None if it has none."""
    path = f"{place}/{MANIFEST}"
    try:
        return files.tag(path) or hashlib.sha256(read(files, path, LARGEST_MANIFEST_BYTES)).hexdigest()
    except FileMissing:
        return None
    except ValueError:
        return "too large"  # fetching it says so


def _labels(
    files: Files, homes: Mapping[str, tuple[str, frozenset[str]]], problems: list[str]
) -> Iterator[tuple[str, Mapping[str, int]]]:
    for home, (model, content) in homes.items():
        if LABELS not in content:
            continue
        try:
            yield model, read_labels(read(files, home + LABELS, LARGEST_LABELS_BYTES))
        except FileMissing:
            continue  # removed while we looked
        except ValueError as error:
            problems.append(f"{LABELS} of model '{model}' is not used: {_reason(error, LABELS)}")


def _index(files: Files) -> Seen | None:
    """Return what `index.json` says, None if there is none; raises Unreachable if it cannot be used."""
    try:
        index = Index.model_validate_json(read(files, INDEX, LARGEST_INDEX_BYTES))
    except FileMissing:
        return None
    except ValueError as error:
        raise Unreachable(f"{INDEX} cannot be used: {_reason(error, INDEX)}") from error
    return Seen(
        {
            ModelId(name, int(number)): digest
            for name, model in index.models.items()
            for number, digest in model.versions.items()
            if int(number) <= LARGEST_VERSION
        },
        {name: model.labels for name, model in index.models.items() if model.labels},
    )


def _reason(error: ValueError, document: str) -> str:
    return problem(error, document) if isinstance(error, ValidationError) else str(error)

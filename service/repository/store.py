"""Where versions come from: look at directories, and say what is there and whether it changed.

Knows names, numbers and files. Knows nothing of what the files mean, and opens none but `labels.json`.

`<models>/<name>/<version>/` is a version if the name is a name, the version a positive number without leading
zeros, and it holds a `manifest.json`, a `model.onnx` or a decoder of Hugging Face's exporters. Everything else is
left alone: what a writer is still preparing beside it, hidden and temporary names, devices, and links that lead out
of the models directory. A model with a base path of its own lies there, `<base path>/<version>/`, whatever the
directory is called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from service.bundle import LABELS, MANIFEST, read_labels
from service.domain import NAME_PATTERN, ModelId
from service.repository.huggingface.layout import GRAPHS
from service.repository.plan import Fingerprint, Labels
from service.repository.rules import Places

_NAME = re.compile(NAME_PATTERN)
VERSION_PATTERN = re.compile(r"[1-9][0-9]{0,18}")
LARGEST_VERSION = 2**63 - 1
LARGEST_LABELS_BYTES = 64 * 1024
EVERYWHERE = Places()


class StoreError(Exception):
    """The store cannot be looked at now; what is live stays live."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is there: versions with their fingerprints, labels, and what was skipped with the reason.

    Those that are `absent` are listed by a store far away and not here yet. While a store is `unreachable`, what it
    said before stands in; until something is known of each, the listing is not `whole`.
    """

    versions: Mapping[ModelId, Fingerprint]
    labels: Labels
    problems: tuple[str, ...] = ()
    absent: frozenset[ModelId] = frozenset()
    unreachable: bool = False
    whole: bool = True


class Store(Protocol):
    """A place with model versions. `scan` and `prepare` block and are called from a thread; the others do not."""

    def scan(self, places: Places = EVERYWHERE) -> Listing:
        """Return what is there; raises StoreError."""

    def prepare(self, load: Sequence[ModelId], live: Collection[ModelId]) -> None:
        """Begin to bring here what is to be loaded, in this order; of other versions, keep the files of those live."""

    def directory(self, model: ModelId) -> Path:
        """Return where the files of a version lie; raises LoadError if they could not be brought here."""

    def freshen(self) -> None:
        """Let the next `scan` know no older answer, and prepare again what could not be brought here."""

    def close(self) -> None:
        """Bring nothing more here."""


@dataclass(frozen=True, slots=True)
class _Model:
    versions: Mapping[int, Fingerprint]
    labels: Mapping[str, int]


class DirectoryStore:
    """The versions below one directory, if there is one, and those of models with a base path of their own."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._shelf_seen = False
        self._models: dict[str, _Model] = {}
        self._base_paths: dict[str, Path] = {}

    def has_base_path(self, name: str) -> bool:
        """Say whether a model lies at a base path of its own, as of the last look."""
        return name in self._base_paths

    def directory(self, model: ModelId) -> Path:
        """Return the version directory; the name and number come from a listing."""
        base = self._base_paths.get(model.name)
        if base is None:
            assert self._root is not None, "a listed model lies somewhere"
            base = self._root / model.name
        return base / str(model.version)

    def prepare(self, load: Sequence[ModelId], live: Collection[ModelId]) -> None:
        """Do nothing: everything is here."""

    def freshen(self) -> None:
        """Do nothing: every look is fresh."""

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def scan(self, places: Places = EVERYWHERE) -> Listing:
        """Return what is there.

        A directory that does not exist yet is empty; one that was there and is not any more raises
        StoreError, as does one that cannot be read: a disk that went away is no order to unload. A single
        model that cannot be read, or whose base path is gone, is listed as it was before. Models whose base path
        is a URL are not here.
        """
        problems: list[str] = []
        shelf = self._shelf(places, problems)
        bases = {name: base for name, base in shelf.items() if name not in places.base_paths}
        models = {name: self._look_at(base.parent, name, base, problems) for name, base in bases.items()}
        base_paths = {name: base for name, base in places.base_paths.items() if isinstance(base, Path)}
        for name, base in base_paths.items():
            models[name] = self._look_at_base_path(name, base, problems)
        self._models, self._base_paths = models, base_paths
        return Listing(
            {
                ModelId(name, number): each
                for name, model in models.items()
                for number, each in model.versions.items()
            },
            {name: model.labels for name, model in models.items() if model.labels},
            tuple(problems),
        )

    def _shelf(self, places: Places, problems: list[str]) -> dict[str, Path]:
        """Return the models in the models directory."""
        if self._root is None or not places.shelf:
            return {}
        try:
            root = self._root.resolve(strict=True)
            names = _directories(root, root, _NAME, problems)
        except FileNotFoundError as error:
            if self._shelf_seen:
                raise StoreError("the models directory is gone") from error
            return {}
        except OSError as error:
            raise StoreError(f"the models directory cannot be read: {error.strerror}") from error
        self._shelf_seen = True
        return {name: root / name for name in names}

    def _look_at_base_path(self, name: str, base: Path, problems: list[str]) -> _Model:
        moved = self._base_paths.get(name) != base
        try:
            root = Path(os.path.realpath(base, strict=True))
        except OSError as error:
            problems.append(f"the base path of model '{name}' cannot be read: {error.strerror}")
            return _Model({}, {}) if moved else self._models.get(name, _Model({}, {}))
        return self._look_at(root, name, root, problems, moved=moved)

    def _look_at(
        self, root: Path, name: str, base: Path, problems: list[str], *, moved: bool = False
    ) -> _Model:
        """Return what lies in `base`; where that cannot be read, what did, unless the model lay elsewhere."""
        known = _Model({}, {}) if moved else self._models.get(name, _Model({}, {}))
        try:
            versions = _versions(root, base, problems)
        except FileNotFoundError:
            return _Model({}, {})
        except OSError as error:
            problems.append(f"model '{name}' cannot be read: {error.strerror}")
            return known
        try:
            return _Model(versions, _labels(base / LABELS))
        except (OSError, ValueError) as error:
            problems.append(f"{LABELS} of model '{name}' is not used: {_reason(error)}")
            return _Model(versions, known.labels)


def _directories(root: Path, parent: Path, pattern: re.Pattern[str], problems: list[str]) -> list[str]:
    """Return the names in `parent` that match and are directories inside `root`."""
    with os.scandir(parent) as entries:
        matching = [entry for entry in entries if pattern.fullmatch(entry.name) and entry.is_dir()]
    names = []
    for entry in matching:
        path = Path(entry.path)
        if entry.is_symlink() and not path.resolve().is_relative_to(root):
            problems.append(f"'{path.relative_to(root)}' is a link that leads out of the models directory")
        else:
            names.append(entry.name)
    return sorted(names)


def _versions(root: Path, model: Path, problems: list[str]) -> dict[int, Fingerprint]:
    versions: dict[int, Fingerprint] = {}
    for name in _directories(root, model, VERSION_PATTERN, problems):
        if int(name) > LARGEST_VERSION:
            continue
        try:
            files = tuple(sorted(_files(str(model / name), "")))
        except FileNotFoundError:
            continue  # removed while we looked: gone, or there again at the next look
        if any(file == MANIFEST or file in GRAPHS for file, *_ in files):
            versions[int(name)] = files
    return versions


def _files(directory: str, prefix: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield relative name, size, time of change and inode of every regular file."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                status = entry.stat()
                yield prefix + entry.name, status.st_size, status.st_mtime_ns, status.st_ino


def _labels(path: Path) -> Mapping[str, int]:
    """Return the labels of a model; raises OSError or ValueError if the file is not what it should be."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}
    if not path.is_file() or status.st_size > LARGEST_LABELS_BYTES:
        raise ValueError("expected a small regular file")
    return read_labels(path.read_bytes())


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error)

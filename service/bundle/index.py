"""What a models directory holds, in one file: `index.json`, for servers that list no directories.

Knows names, numbers and checksums. Knows nothing of how the file is served or read.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from service.bundle.files import MANIFEST, BundleError, problem, sha256
from service.bundle.signatures import Frozen
from service.domain import NAME_PATTERN

INDEX = "index.json"
LABELS = "labels.json"
_VERSION = r"[1-9][0-9]{0,18}"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Number = Annotated[str, Field(pattern=f"^{_VERSION}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
VersionNumber = Annotated[int, Field(ge=1, lt=2**63)]
_LABELS: TypeAdapter[dict[str, int]] = TypeAdapter(dict[Name, VersionNumber])


class IndexedModel(Frozen):
    """A model: by version number the SHA-256 of its manifest, and its labels."""

    versions: dict[Number, Digest]
    labels: dict[Name, VersionNumber] = Field(default_factory=dict)


class Index(Frozen):
    """The typed `index.json`: every model below one place, by name."""

    schema_version: Literal[1] = 1
    models: dict[Name, IndexedModel]


def read_labels(content: bytes) -> dict[str, int]:
    """Return the labels of a `labels.json`; raises ValueError if it is not one."""
    return _LABELS.validate_json(content, strict=True)


def write_index(models: Path) -> Path:
    """Write the index of a models directory into it, by one rename, and return where.

    Only versions with a manifest are in it. Raises BundleError for labels that cannot be read, and OSError.
    """
    index = Index(models={home.name: _indexed(home) for home in _numbered(models, NAME_PATTERN)})
    target = models / INDEX
    beside = models / f".{INDEX}-{secrets.token_hex(4)}"
    beside.write_text(index.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return beside.replace(target)


def _indexed(home: Path) -> IndexedModel:
    versions = {
        version.name: sha256(version / MANIFEST)
        for version in _numbered(home, _VERSION)
        if (version / MANIFEST).is_file()
    }
    labels = home / LABELS
    try:
        return IndexedModel(
            versions=versions, labels=read_labels(labels.read_bytes()) if labels.is_file() else {}
        )
    except ValidationError as error:
        raise BundleError(f"'{home.name}/{LABELS}' is not valid: {problem(error, LABELS)}") from error


def _numbered(directory: Path, pattern: str) -> list[Path]:
    return sorted(path for path in directory.iterdir() if re.fullmatch(pattern, path.name) and path.is_dir())

"""What lies in a version directory, and whether it is what it must be.

Knows sizes and checksums. Knows nothing of what the files mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from service.bundle.signatures import Frozen

MANIFEST = "manifest.json"
DEFAULT_GRAPH = "model.onnx"
ASSETS = "assets.extra"
REPORT = "report"


class BundleError(Exception):
    """A version directory does not hold what its manifest promises, or has no readable manifest."""


def problem(error: ValidationError, document: str) -> str:
    """Return the first thing that is wrong with a document, and where in it."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or document
    return f"{where}: {first['msg']}"


class File(Frozen):
    """What a file must be."""

    sha256: str
    bytes: int


def describe_files(directory: Path) -> dict[str, File]:
    """Return size and checksum of every file below `directory` except the manifest, by relative path."""
    return {
        path.relative_to(directory).as_posix(): File(sha256=sha256(path), bytes=path.stat().st_size)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def verify_files(directory: Path, files: dict[str, File]) -> None:
    """Compare the files on disk with `files`; raises BundleError for the first that differs."""
    for problem in _differences(directory, files):
        raise BundleError(problem)


def _differences(directory: Path, files: dict[str, File]) -> Iterator[str]:
    root = directory.resolve()
    for name, promised in files.items():
        path = directory / name
        if not path.resolve().is_relative_to(root):
            yield f"file '{name}' lies outside the version directory"
        elif not path.is_file():
            yield f"file '{name}' is missing"
        elif path.stat().st_size != promised.bytes:
            yield f"file '{name}' has {path.stat().st_size} bytes, expected {promised.bytes}"
        elif sha256(path) != promised.sha256:
            yield f"file '{name}' does not match its checksum"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

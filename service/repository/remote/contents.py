"""Read from a fetched manifest which files belong to a version, and refuse what must not be written here.

Pure functions. Knows names, sizes and checksums; knows nothing of stores or caches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from service.bundle import MANIFEST, File, problem
from service.repository.errors import LoadError

LARGEST_MANIFEST_BYTES = 4 * 2**20
MOST_FILES = 10_000
_LONGEST_NAME = 1024
_PART = re.compile(r"[\w.+=@,()~ -]{1,255}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a version beside its manifest, by relative name."""

    files: Mapping[str, File]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by SHA-256; what two files share counts once."""
        return {file.sha256: file.bytes for file in self.files.values()}


@dataclass(frozen=True, slots=True)
class _Promises:
    files: dict[str, File]


_PROMISES = TypeAdapter(_Promises)


def read(manifest: bytes) -> Contents:
    """Return the files that a manifest promises.

    Raises LoadError if it does not say so, or names what would lie outside the version directory. Everything else that it says
    is checked when the version is loaded.
    """
    try:
        files = _PROMISES.validate_json(manifest).files
    except ValidationError as error:
        raise LoadError(f"{MANIFEST} is not valid: {problem(error, MANIFEST)}") from error
    if len(files) > MOST_FILES:
        raise LoadError(f"{MANIFEST} names {len(files)} files, expected {MOST_FILES} at most")
    directories = {parent for name in files for parent in _parents(name)}
    for name, file in files.items():
        _check(name, file)
        if name in directories:
            raise LoadError(f"file {name!a} is also the directory of another")
    return Contents(files)


def is_sha256(text: str) -> bool:
    """Say whether `text` is a SHA-256 in hexadecimal, fit to be the name of a file."""
    return _SHA256.fullmatch(text) is not None


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def _check(name: str, file: File) -> None:
    parts = name.split("/")
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME or not all(_is_plain(part) for part in parts):
        raise LoadError(f"file {name[:64]!a} would not lie in the version directory under a plain name")
    if name == MANIFEST:
        raise LoadError(f"{MANIFEST} names itself among its files")
    if not is_sha256(file.sha256) or file.bytes < 0:
        raise LoadError(f"file {name!a} has no SHA-256 in hexadecimal, or no size")


def _is_plain(part: str) -> bool:
    return part not in {".", ".."} and _PART.fullmatch(part) is not None

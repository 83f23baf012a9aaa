"""A store of files in memory that does as it is told: a `Files` for everything above fsspec.

Knows paths and contents; remembers what was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from service.repository.remote.files import FileMissing, Unreachable


class FakeFiles:
    """Files by path. While `down` says why, nothing is answered; `truncated` files end early."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.down = ""
        self.truncated: set[str] = set()
        self.tagless = False
        self.reads: list[str] = []

    def put(self, directory: Path, place: str) -> None:
        """Copy a directory, below `place`."""
        for path in directory.rglob("*"):
            if path.is_file():
                self.content[f"{place}/{path.relative_to(directory)}"] = path.read_bytes()

    def remove(self, place: str) -> None:
        """Remove what lies below `place`."""
        self.content = {path: each for path, each in self.content.items() if not path.startswith(f"{place}/")}

    def names(self, directory: str) -> frozenset[str]:
        """Return the names in a directory; one without files is not there."""
        self._answer()
        start = f"{directory}/" if directory else ""
        found = {path[len(start) :].partition("/")[0] for path in self.content if path.startswith(start)}
        if not found:
            raise FileMissing
        return frozenset(found)

    def tag(self, path: str) -> str:
        """Return a digest, or nothing if this store tells none."""
        self._answer()
        if path not in self.content:
            raise FileMissing
        return "" if self.tagless else hashlib.md5(self.content[path], usedforsecurity=False).hexdigest()

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file in two pieces."""
        self._answer()
        if path not in self.content:
            raise FileMissing
        self.reads.append(path)
        content = self.content[path]
        half = len(content) // 2
        yield content[:half]
        self._answer()
        if path not in self.truncated:
            yield content[half:]

    def _answer(self) -> None:
        if self.down:
            raise Unreachable(self.down)

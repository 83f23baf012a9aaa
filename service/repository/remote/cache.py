"""Keep what was fetched: each content once, under its SHA-256, and versions made of links to it.

Knows directories, checksums and locks. Knows nothing of where content comes from. Several processes may use one cache.

    blobs/<sha256>                          a file's content
    trees/<sha256 of the manifest>/         a version: manifest.json and links to blobs; never changed
    places/<digest of a URL>/<name>/<version>.json    which tree that version was when it was last fetched
    work/<random>/                          a version in the making; what a process that was killed left is removed

All appear by a rename of what is whole and verified, so that nothing half made is ever used.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from service.bundle import MANIFEST, BundleError, read_labels, sha256, verify_files
from service.config import Url
from service.domain import ModelId
from service.repository.errors import LoadError, StorageError
from service.repository.plan import Labels
from service.repository.remote import contents, eviction, locks
from service.repository.remote.eviction import Tree
from service.repository.remote.locks import Hold

_LARGEST_RECORD_BYTES = 4096
_LABELS = ".labels.json"


class CacheError(Exception):
    """The cache directory cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a version was when it was fetched: the tag of its manifest in the store, and its tree."""

    tag: str
    tree: str


class Cache:
    """A cache directory of bounded size. Its methods block.

    Raises CacheError if the directory cannot be made and written to.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._root = root
        self._blobs, self._trees = root / "blobs", root / "trees"
        self._places, self._work = root / "places", root / "work"
        try:
            for directory in (root, self._blobs, self._trees, self._places, self._work):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.workspace():
                pass
        except OSError as error:
            raise CacheError(error.strerror or "it cannot be written to") from error

    @contextmanager
    def workspace(self) -> Iterator[Hold]:
        """Hold an empty directory for a version in the making; it is removed in the end unless it was published."""
        for left in self._work.iterdir():
            self._discard(left)
        while True:
            directory = self._work / secrets.token_hex(8)
            directory.mkdir(mode=0o700)
            hold = locks.claim(directory)
            if hold is not None:
                break  # else another process, which cleans, was quicker
        try:
            yield hold
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            hold.release()

    def take(self, digest: str, target: Path) -> bool:
        """Put a blob at `target`, which is not there yet; returns whether there is one, and it is sound."""
        blob = self._blobs / digest
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(blob, target)
        except OSError:
            return False
        if sha256(target) == digest:
            return True
        target.unlink()
        blob.unlink(missing_ok=True)
        return False

    def keep(self, digest: str, source: Path) -> None:
        """Make a verified file a blob too. Where there are no hard links it is not shared, and all else is as ever."""
        source.chmod(0o400)
        with suppress(OSError):
            os.link(source, self._blobs / digest)

    def publish(self, workspace: Hold, manifest: bytes) -> Hold:
        """Make a workspace whose files are all there a tree, and hold it; the same tree may be there already."""
        (workspace.path / MANIFEST).write_bytes(manifest)
        tree = self._trees / tree_of(manifest)
        try:
            workspace.path.rename(tree)
        except OSError:  # another gateway was quicker
            hold = self.hold(tree.name)
            if hold is None:
                raise
            return hold
        return workspace.shared(tree)

    def hold(self, tree: str) -> Hold | None:
        """Hold a tree, and count that as its use; None if it is not there. One that is no longer sound is removed."""
        path = self._trees / tree
        hold = locks.share(path)
        if hold is None:
            return None
        if _is_sound(path):
            os.utime(path)
            return hold
        hold.release()
        self._discard(path)
        return None

    def release(self, hold: Hold) -> None:
        """Let go of a tree, and remember that it was in use until now."""
        with suppress(OSError):
            os.utime(hold.path)
        hold.release()

    def has(self, tree: str) -> bool:
        """Say whether there is such a tree, sound or not."""
        return (self._trees / tree / MANIFEST).is_file()

    def make_room(self, wanted: Mapping[str, int]) -> None:
        """Remove what was not used for longest until `wanted`, bytes by SHA-256, fits too.

        Raises StorageError if that would take what is in use.
        """
        victims = eviction.choose(list(self._all_trees()), self._sizes(), wanted, self._limit_bytes)
        if victims is None:
            raise StorageError(
                f"{sum(wanted.values())} bytes do not fit into the cache of {self._limit_bytes} bytes"
                " (models_cache_bytes) beside what is in use"
            )
        for tree in victims.trees:
            self._discard(self._trees / tree)
        for blob in victims.blobs:
            (self._blobs / blob).unlink(missing_ok=True)

    def used_bytes(self) -> int:
        """Return what blobs and trees take; what several share counts once."""
        return sum(self._sizes().values())

    def records(self, url: Url) -> dict[ModelId, Record]:
        """Return which trees the versions at a URL were when they were last fetched."""
        found = {}
        for path in self._place(url).glob("*/*.json"):
            record = _read_record(path)
            if record is not None and path.stem.isdecimal():
                found[ModelId(path.parent.name, int(path.stem))] = record
        return found

    def remember(self, url: Url, model: ModelId, record: Record) -> None:
        """Say from now on that a version at a URL is this."""
        _write(self._record(url, model), asdict(record))

    def labels(self, url: Url) -> dict[str, dict[str, int]]:
        """Return the labels of the models at a URL as they were last remembered."""
        try:
            told: dict[str, dict[str, int]] = json.loads((self._place(url) / _LABELS).read_bytes())
            return {str(name): read_labels(json.dumps(each).encode()) for name, each in told.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def remember_labels(self, url: Url, labels: Labels) -> None:
        """Say from now on that these are the labels of the models at a URL."""
        _write(self._place(url) / _LABELS, {name: dict(each) for name, each in labels.items()})

    def forget(self, url: Url, model: ModelId) -> None:
        """Say from now on that there is no such version at a URL."""
        self._record(url, model).unlink(missing_ok=True)

    def _record(self, url: Url, model: ModelId) -> Path:
        return self._place(url) / model.name / f"{model.version}.json"

    def _place(self, url: Url) -> Path:
        return self._places / hashlib.sha256(str(url).encode()).hexdigest()[:32]

    def _discard(self, directory: Path) -> None:
        """Remove a directory that nobody holds, so that it is there whole or not at all."""
        hold = locks.claim(directory)
        if hold is None:
            return
        gone = self._work / f"gone-{secrets.token_hex(8)}"
        with suppress(OSError):
            directory.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        hold.release()

    def _all_trees(self) -> Iterator[Tree]:
        for path in self._trees.iterdir():
            try:
                blobs = frozenset(contents.read((path / MANIFEST).read_bytes()).sizes)
                used_at_s = path.stat().st_mtime
            except (OSError, LoadError):
                self._discard(path)
                continue
            free = locks.claim(path)
            if free is not None:
                free.release()
            yield Tree(path.name, blobs, used_at_s, held=free is None)

    def _sizes(self) -> dict[str, int]:
        """Return bytes by SHA-256 of what is in blobs and trees.

        Without hard links, two trees that share content have it twice; it is counted once, and each tree is whole all the same.
        """
        sizes = {}
        for path in self._blobs.iterdir():
            with suppress(OSError):
                sizes[path.name] = path.stat().st_size
        for tree in self._trees.iterdir():
            with suppress(OSError, LoadError):
                sizes.update(contents.read((tree / MANIFEST).read_bytes()).sizes)
        return sizes


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}")
    beside.write_text(json.dumps(content))
    beside.replace(path)


def tree_of(manifest: bytes) -> str:
    """Return the name of the tree whose manifest this is."""
    return hashlib.sha256(manifest).hexdigest()


def _is_sound(tree: Path) -> bool:
    """Say whether a tree has the manifest that it is named after, and the files that this promises."""
    try:
        manifest = (tree / MANIFEST).read_bytes()
        verify_files(tree, dict(contents.read(manifest).files))
    except (BundleError, LoadError, OSError):
        return False
    return tree_of(manifest) == tree.name


def _read_record(path: Path) -> Record | None:
    try:
        if path.stat().st_size > _LARGEST_RECORD_BYTES:
            return None
        told = json.loads(path.read_bytes())
        record = Record(str(told["tag"]), str(told["tree"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if contents.is_sha256(record.tree) else None

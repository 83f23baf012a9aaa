"""Fetch one version from a store into the cache: its manifest, then each file that is not there yet, verified.

Knows files and the cache. Knows nothing of when, or of which versions are wanted.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from service.bundle import MANIFEST, File
from service.repository.errors import LoadError, StorageError
from service.repository.remote import contents
from service.repository.remote.cache import Cache, tree_of
from service.repository.remote.files import FileMissing, Files, Unreachable, read
from service.repository.remote.locks import Hold

PARALLEL = 4
Count = Callable[[int], None]
"""Is told how many bytes came from the store."""


def fetch(files: Files, place: str, cache: Cache, count: Count) -> Hold:
    """Return the tree of the version at `place`, held; only what the cache lacks is fetched.

    Raises LoadError that names the file that is missing or not what the manifest promises, StorageError if the store
    does not answer or the cache has no room.
    """
    with _naming(MANIFEST):
        manifest = read(files, f"{place}/{MANIFEST}", contents.LARGEST_MANIFEST_BYTES)
    held = cache.hold(tree_of(manifest))
    if held is not None:
        return held
    inside = contents.read(manifest)
    try:
        cache.make_room(inside.sizes)
        with cache.workspace() as workspace:
            _Fetch(files, place, cache, count, workspace.path).all(inside.files)
            return cache.publish(workspace, manifest)
    except OSError as error:
        raise StorageError(f"the cache cannot be written to: {error.strerror or 'unknown reason'}") from error


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say of what goes wrong with a file which file it is."""
    try:
        yield
    except FileMissing as error:
        raise LoadError(f"file '{name}' is missing") from error
    except Unreachable as error:
        raise StorageError(f"file '{name}' cannot be fetched: {error}") from error
    except ValueError as error:
        raise LoadError(f"file '{name}' has {error}") from error


class _Fetch:
    """The files of one version, on their way into a workspace."""

    def __init__(self, files: Files, place: str, cache: Cache, count: Count, workspace: Path) -> None:
        self._files = files
        self._place = place
        self._cache = cache
        self._count = count
        self._workspace = workspace
        self._stopped = False

    def all(self, promised: Mapping[str, File]) -> None:
        """Put every file there; raises the error of one that cannot be, and begins no more."""
        names: dict[str, list[str]] = {}
        for name, file in promised.items():
            names.setdefault(file.sha256, []).append(name)
        with ThreadPoolExecutor(PARALLEL, "fetch") as threads:
            jobs = [threads.submit(self._put, each, promised[each[0]]) for each in names.values()]
            ended = wait(jobs, return_when=FIRST_EXCEPTION).done
            failed = [job for job in jobs if job in ended and job.exception()]
            if failed:
                self._stopped = True
                threads.shutdown(wait=True, cancel_futures=True)
                failed[0].result()

    def _put(self, names: list[str], file: File) -> None:
        """Put one content under each of its names."""
        first = self._workspace / names[0]
        if not self._cache.take(file.sha256, first):
            self._download(names[0], file, first)
            self._cache.keep(file.sha256, first)
        for name in names[1:]:
            target = self._workspace / name
            if not self._cache.take(file.sha256, target):
                shutil.copyfile(first, target)  # no hard links here

    def _download(self, name: str, file: File, target: Path) -> None:
        """Write a file as it comes; what is not what the manifest promises stays in the workspace, which goes."""
        digest = hashlib.sha256()
        size = 0
        with _naming(name), target.open("wb") as writing:
            for chunk in self._files.chunks(f"{self._place}/{name}"):
                if self._stopped:
                    raise ValueError("not been fetched: another could not be")
                size += len(chunk)
                if size > file.bytes:
                    raise ValueError(f"more than {file.bytes} bytes")
                digest.update(chunk)
                writing.write(chunk)
                self._count(len(chunk))
        if size < file.bytes:
            raise LoadError(f"file '{name}' has {size} bytes, expected {file.bytes}")
        if digest.hexdigest() != file.sha256:
            raise LoadError(f"file '{name}' does not match its checksum")

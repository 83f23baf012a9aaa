"""Give a finished directory its version number and put it into the repository by one rename.

Knows directories, locks and numbers, and nothing of what lies in a version.

A workspace is `<models>/<name>/.tmp-<random>`: on the same file system as the version that it becomes, and
with a leading dot, so that no poller takes it for one. Whoever works in it holds a lock on it. The lock is the
kernel's: it goes with the process, however that ends, and the next export of the model removes what is left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from export.errors import PublishError

PREFIX = ".tmp-"


@contextmanager
def workspace(models: Path, name: str) -> Iterator[Path]:
    """Yield an empty locked directory beside the versions of a model; what is left of it in the end is removed.

    Raises PublishError if the repository cannot be written to, before or while somebody works there.
    """
    home = models / name
    try:
        home.mkdir(parents=True, exist_ok=True)
        clean(home)
        directory, lock = _claim(home)
    except OSError as error:
        raise PublishError(f"{home} cannot be written to: {error.strerror}") from error
    try:
        yield directory
    except OSError as error:
        raise PublishError(f"{home} cannot be written to: {error.strerror or error}") from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def clean(home: Path) -> None:
    """Remove the workspaces of a model whose owner is gone; those that somebody works in stay."""
    for left in home.glob(f"{PREFIX}*"):
        lock = _lock(left)
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)


def publish(directory: Path, version: int | None, describe: Callable[[Path, int], None]) -> Path:
    """Turn a workspace into the next version, or into `version`, and return where it is.

    `describe` writes what depends on the number into the workspace; it is called again if another export took
    the number meanwhile. Everything is on the disk before the version has its name. Raises PublishError if
    `version` exists.
    """
    while True:
        number = next_version(directory.parent) if version is None else version
        describe(directory, number)
        _sync_tree(directory)
        target = directory.parent / str(number)
        try:
            directory.rename(target)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise PublishError(f"version {number} cannot be written: {error.strerror}") from error
            if version is not None:
                raise PublishError(f"version {version} exists; a version is never replaced") from error
            continue
        _sync(directory.parent)
        return target


def next_version(home: Path) -> int:
    """Return one more than the highest number among the versions of a model."""
    return max((int(path.name) for path in home.iterdir() if path.name.isdecimal()), default=0) + 1


def _claim(home: Path) -> tuple[Path, int]:
    """Make and lock a workspace; a cleaner may come between the two, then it is made again."""
    while True:
        directory = home / f"{PREFIX}{secrets.token_hex(6)}"
        directory.mkdir()
        lock = _lock(directory)
        if lock is None:
            continue
        with suppress(OSError):
            if directory.stat().st_ino == os.fstat(lock).st_ino:
                return directory, lock
        os.close(lock)


def _lock(directory: Path) -> int | None:
    """Return a descriptor that holds the lock of a directory, or None if another has it or it is gone."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sync_tree(directory: Path) -> None:
    for path in [*directory.rglob("*"), directory]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

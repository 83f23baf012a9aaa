"""Hold a directory against whoever would remove it, in this process or another.

Knows the kernel's locks, which go with the process that has them, however it ends. Knows nothing of what lies in it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Hold:
    """A directory that is held until `release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it; called once."""
        os.close(self._descriptor)

    def shared(self, path: Path) -> Hold:
        """Return a second hold of this directory, which is called `path` now; others may hold it too from now on."""
        descriptor = os.dup(self._descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return Hold(path, descriptor)


def share(path: Path) -> Hold | None:
    """Hold a directory, as others may too; None if it is not there. Waits for who is about to remove it."""
    return _take(path, fcntl.LOCK_SH)


def claim(path: Path) -> Hold | None:
    """Hold a directory alone; None if it is not there, or somebody else holds it."""
    return _take(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _take(path: Path, kind: int) -> Hold | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind)
        # Whoever removes it may have been between our two steps.
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return Hold(path, descriptor)
    except OSError:
        pass  # it is gone, or another's
    os.close(descriptor)
    return None

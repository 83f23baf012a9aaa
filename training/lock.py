"""Hold a run directory for one process.

Knows one lock file. The lock belongs to the open file: it is gone with its process, however that ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import RunError

LOCK = "lock"


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold `directory` while the block runs; raises RunError at once if another process holds it."""
    with (directory / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"run {directory} is being trained by another process") from error
        yield


def held(directory: Path) -> bool:
    """Whether a process holds `directory` at this moment."""
    try:
        with exclusive(directory):
            return False
    except RunError:
        return True

"""Watch a running process from outside: it lives, its memory stays bounded, and it answers as before.

Knows a process id and a function that asks for an answer; knows no wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

GROWTH_BYTES = 64 * 2**20


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had resident so far; fails if it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    raise AssertionError(f"process {pid} has ended")


@contextmanager
def unharmed(pid: int, answer: Callable[[], object], growth_bytes: int = GROWTH_BYTES) -> Iterator[None]:
    """Fail unless the process is alive in the end, answers as before, and its peak grew by no more than that.

    What it had for a moment counts too.
    """
    before = answer()
    start = peak_bytes(pid)
    yield
    assert answer() == before, "the answer is another one than before"
    grown = peak_bytes(pid) - start
    assert grown <= growth_bytes, f"the process grew by {grown / 2**20:.0f} MiB"

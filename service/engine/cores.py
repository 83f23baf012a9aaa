"""Know how many CPU cores this process may use, and how many of them its runs take now.

Runs of several graphs go on beside one another, in threads of which none knows the others; one that could use another core
asks here whether there is one. Knows no session.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_CPU_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CPU_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, cut by the cgroup's CPU quota (v2, or v1)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    for files in ((_CPU_QUOTA,), (_CPU_QUOTA_V1, _CPU_PERIOD_V1)):
        try:
            quota, period = " ".join(path.read_text(encoding="ascii") for path in files).split()
        except (OSError, ValueError):
            continue
        return cores if quota in ("max", "-1") else max(1, min(cores, int(quota) // int(period)))
    return cores


class BusyCores:
    """How many cores runs in progress take. May be used from several threads."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Take so many more, or give them back if `count` is negative."""
        with self._lock:
            self.count += count


class RunCores:
    """What a run of one session takes, `threads` of `usable` cores, while it is within this context."""

    def __init__(self, busy: BusyCores, usable: int, threads: int) -> None:
        self._busy = busy
        self._usable = usable
        self._threads = threads

    def abreast(self, spare: int = 0) -> int:
        """Return how many such runs there is room for beside those in progress, if `spare` cores are left; at least one."""
        return max(1, (self._usable - self._busy.count - spare) // self._threads)

    def __enter__(self) -> None:
        self._busy.add(self._threads)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._busy.add(-self._threads)

"""How much memory this process may have before the kernel ends it.

Knows control groups of both versions. How much it has is in `process_resident_memory_bytes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_GROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


class MemoryLimit(Collector):
    """The limit as it is at each scrape: the smallest of the groups that this process is in, or the machine's memory."""

    def __init__(self, groups: Path = _GROUPS, root: Path = _ROOT) -> None:
        self._groups = groups
        self._root = root

    def collect(self) -> Iterator[Metric]:
        """Yield the one gauge."""
        yield GaugeMetricFamily(
            "sluice_memory_limit_bytes",
            "Memory that the process may have: its control group's limit, or what the machine has.",
            value=min((*self._limits(), _machine_bytes())),
        )

    def _limits(self) -> Iterator[int]:
        try:
            lines = self._groups.read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                yield from _along(self._root, group, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _along(self._root / "memory", group, "memory.limit_in_bytes")


def _along(mount: Path, group: str, file: str) -> Iterator[int]:
    """Yield the limits of a group and of those above it; seen from a container, the mount itself may be the group."""
    inside = PurePosixPath(group.lstrip("/"))
    for each in (inside, *inside.parents):
        try:
            text = (mount / each / file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():  # not "max"
            yield int(text)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

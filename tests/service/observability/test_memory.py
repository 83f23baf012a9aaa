"""How much memory this process may have."""

import os
from pathlib import Path

from service.observability.memory import MemoryLimit

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def limit(home: Path, groups: str, **files: str) -> float:
    (home / "groups").write_text(groups)
    for path, text in files.items():
        file = home / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (metric,) = MemoryLimit(home / "groups", home / "root").collect()
    (sample,) = metric.samples
    assert sample.name == "sluice_memory_limit_bytes"
    return sample.value


def test_it_is_that_of_the_group(tmp_path: Path) -> None:
    assert limit(tmp_path, "0::/a/b\n", **{"a/b/memory.max": "4096\n"}) == 4096


def test_a_smaller_one_further_up_counts(tmp_path: Path) -> None:
    files = {"a/b/memory.max": "max\n", "a/memory.max": "8192\n", "a/b/c/memory.max": "9000\n"}
    assert limit(tmp_path, "0::/a/b/c\n", **files) == 8192


def test_the_older_kind_of_groups_has_limits_too(tmp_path: Path) -> None:
    groups = "12:cpu,cpuacct:/x\n5:memory:/docker/1\n0::/docker/1\n"
    assert limit(tmp_path, groups, **{"memory/docker/1/memory.limit_in_bytes": "5000\n"}) == 5000


def test_in_a_container_that_sees_only_itself_the_mount_is_its_group(tmp_path: Path) -> None:
    assert limit(tmp_path, "5:memory:/docker/1\n", **{"memory/memory.limit_in_bytes": "5000\n"}) == 5000


def test_without_a_limit_the_machine_is_one(tmp_path: Path) -> None:
    unlimited = "9223372036854771712\n"
    assert limit(tmp_path, "5:memory:/\n", **{"memory/memory.limit_in_bytes": unlimited}) == MACHINE
    assert limit(tmp_path, "") == MACHINE


def test_without_control_groups_the_machine_is_one(tmp_path: Path) -> None:
    (metric,) = MemoryLimit(tmp_path / "none", tmp_path).collect()
    assert metric.samples[0].value == MACHINE

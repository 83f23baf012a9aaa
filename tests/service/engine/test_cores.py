"""Which cores there are, and which are taken."""

from pathlib import Path

import pytest

from service.engine import cores as module
from service.engine.cores import BusyCores, RunCores, usable_cores


def test_a_cgroup_quota_cuts_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(module, "_CPU_QUOTA", quota)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for text, cores in [("150000 100000", 1), ("400000 100000", 4), ("max 100000", 8), ("20000 100000", 1)]:
        quota.write_text(text)
        assert usable_cores() == cores
    quota.unlink()
    monkeypatch.setattr(module, "_CPU_QUOTA_V1", tmp_path / "cpu.cfs_quota_us")
    assert usable_cores() == 8


def test_a_cgroup_of_the_first_version_cuts_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(module, "_CPU_QUOTA_V1", tmp_path / "cpu.cfs_quota_us")
    monkeypatch.setattr(module, "_CPU_PERIOD_V1", tmp_path / "cpu.cfs_period_us")
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    for text, cores in [("250000\n", 2), ("-1\n", 8)]:
        (tmp_path / "cpu.cfs_quota_us").write_text(text)
        assert usable_cores() == cores


def test_runs_in_progress_leave_room_for_fewer() -> None:
    busy = BusyCores()
    single, double = RunCores(busy, 8, 1), RunCores(busy, 8, 2)
    assert (single.abreast(), double.abreast()) == (8, 4)
    assert (single.abreast(spare=1), double.abreast(spare=1)) == (7, 3)
    with double, single, single:
        assert (single.abreast(), double.abreast()) == (4, 2)
        with double, double, double:
            assert (single.abreast(), double.abreast()) == (1, 1)
    with pytest.raises(ArithmeticError), single:
        raise ArithmeticError
    assert (single.abreast(), double.abreast()) == (8, 4)

"""What a reader sees while something is written, and after writing failed."""

import json
from pathlib import Path

import numpy as np
import pytest

from training import atomic


def fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    atomic.write_json(target, {"status": "running"})
    with pytest.raises(OSError, match="disk full"):
        atomic.write(target, fail_half_way)
    assert json.loads(target.read_text()) == {"status": "running"}
    assert list(tmp_path.iterdir()) == [target]


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    target = tmp_path / "text"
    atomic.write_text(target, "old")
    seen = []

    def fill(path: Path) -> None:
        path.write_text("new, and longer")
        seen.append(target.read_text())

    atomic.write(target, fill)
    assert (seen, target.read_text()) == (["old"], "new, and longer")


def test_a_number_that_json_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic.write_json(tmp_path / "metrics.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_directory_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "assets"
    with atomic.directory(target) as beside:
        (beside / "labels.json").write_text("[]")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["labels.json"]


def test_a_directory_that_failed_never_appears(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"), atomic.directory(tmp_path / "assets") as beside:
        fail_half_way(beside / "labels.json")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_attempt_at_a_directory_is_swept_away_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".assets.partial").mkdir()
    (tmp_path / ".assets.partial" / "stale").write_text("")
    with atomic.directory(tmp_path / "assets") as beside:
        assert list(beside.iterdir()) == []


def test_what_a_kill_left_is_swept_away_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / ".assets.partial").mkdir()
    (tmp_path / ".assets.partial" / "labels.json").write_text("[")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / ".77.standing.json").write_text("{")
    (tmp_path / "run.json").write_text("{}")
    atomic.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoint", "run.json"]


def test_arrays_come_back(tmp_path: Path) -> None:
    atomic.write_arrays(tmp_path / "examples.npz", {"image": np.arange(4.0)})
    with np.load(tmp_path / "examples.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["image"], [0, 1, 2, 3])

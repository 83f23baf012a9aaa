"""A run directory, from its first file to its last."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.errors import RunError
from training.run import Record, Run, check_name, new_name, newest_first


def test_a_new_run_reads_back(run: Run) -> None:
    assert Run.open(run.path) == run
    assert not run.complete


def test_metrics_belong_to_a_complete_run(run: Run) -> None:
    with pytest.raises(RunError, match="not complete; continue it with --resume"):
        _ = run.metrics
    finished = run.finish({"auroc": 0.95}, seconds=3.5)
    assert (finished.complete, finished.metrics, finished.record.seconds) == (True, {"auroc": 0.95}, 3.5)


def test_a_kill_before_the_last_write_leaves_a_run_that_is_not_complete(run: Run) -> None:
    with pytest.raises(TypeError):
        run.finish({"auroc": object()}, seconds=1.0)
    assert Run.open(run.path).record.status == "running"


def test_a_run_is_never_written_over(run: Run, record: Record, settings) -> None:
    with pytest.raises(RunError, match="exists; continue it with --resume or choose another --run"):
        Run.create(run.path, record, settings)


def test_a_directory_that_is_no_run_is_named(tmp_path: Path, run: Run) -> None:
    with pytest.raises(RunError, match=r"not a run: run\.json: No such file"):
        Run.open(tmp_path / "elsewhere")
    (run.path / "run.json").write_text('{"schema_version": 1}')
    with pytest.raises(RunError, match="not a run"):
        Run.open(run.path)


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path, record: Record, settings) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be created: Not a directory"):
        Run.create(tmp_path / "file" / "one", record, settings)


def test_names_sort_by_time() -> None:
    first, second = datetime(2026, 7, 14, 9, 15, 2, 120_000, UTC), datetime(2026, 7, 14, 9, 15, 3, 0, UTC)
    assert new_name(first) == "20260714-091502-120"
    assert new_name(first) < new_name(second)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 129])
def test_a_name_cannot_lead_elsewhere(name: str) -> None:
    with pytest.raises(RunError, match="expected letters, digits"):
        check_name(name)


def test_runs_are_found_newest_first_and_broken_ones_skipped(
    tmp_path: Path, record: Record, settings
) -> None:
    for name, day in (("b", 1), ("a", 2)):
        later = record.model_copy(update={"run": name, "started": datetime(2026, 1, day, tzinfo=UTC)})
        Run.create(tmp_path / "line" / name, later, settings)
    (tmp_path / "line" / "c").mkdir()
    (tmp_path / "line" / "c" / "run.json").write_text("")
    assert [run.path.name for run in newest_first(tmp_path, "line")] == ["a", "b"]

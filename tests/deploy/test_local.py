"""What `make serve` finds missing, and what it takes from earlier runs."""

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local import FIRST, chosen, finished_run, missing
from training.errors import UnknownJob
from training.job import Profile, Settings
from training.jobs import JOBS
from training.run import Record, Run


def run_of(root: Path, name: str, profile: Profile, day: int) -> Run:
    record = Record(
        job="digits-cnn",
        word="classify",
        run=name,
        profile=profile,
        seed=1,
        status="running",
        started=datetime(2026, 1, day, tzinfo=UTC),
        command="",
        revision="",
        libraries={},
    )
    return Run.create(root / "digits-cnn" / name, record, Settings(profile=profile))


def test_without_a_choice_the_first_models_are_made_and_all_are_every_job() -> None:
    assert chosen(()) == FIRST
    assert set(FIRST) < set(JOBS)
    assert set(chosen(["all"])) == set(JOBS)
    assert chosen(["waves-lstm", "digits-cnn"]) == ("digits-cnn", "waves-lstm")


def test_a_job_that_is_not_there_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownJob, match="there is no job 'digits'; there are digits-cnn"):
        chosen(["digits-cnn", "digits"])


def test_a_model_is_missing_until_a_version_is_published(tmp_path: Path) -> None:
    assert missing(tmp_path) == list(FIRST)
    (tmp_path / "digits-cnn" / ".tmp-1").mkdir(parents=True)
    (tmp_path / "digits-cnn" / ".tmp-1" / "manifest.json").touch()
    assert "digits-cnn" in missing(tmp_path)
    (tmp_path / "digits-cnn" / "1").mkdir()
    (tmp_path / "digits-cnn" / "1" / "manifest.json").touch()
    assert missing(tmp_path) == [job for job in FIRST if job != "digits-cnn"]


def test_the_newest_complete_run_of_the_profile_is_exported(tmp_path: Path) -> None:
    assert finished_run(tmp_path, "digits-cnn", "quick") is None
    run_of(tmp_path, "old", "quick", 1).update(status="complete")
    run_of(tmp_path, "new", "quick", 2).update(status="complete")
    run_of(tmp_path, "smoke", "smoke", 3).update(status="complete")
    run_of(tmp_path, "killed", "quick", 4)
    found = finished_run(tmp_path, "digits-cnn", "quick")
    assert found is not None
    assert found.record.run == "new"


@pytest.mark.parametrize("broken", ["", "{", '{"job": "digits-cnn"}'])
def test_a_broken_run_is_passed_over(tmp_path: Path, broken: str) -> None:
    directory = tmp_path / "digits-cnn" / "x"
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(broken)
    assert finished_run(tmp_path, "digits-cnn", "quick") is None


def test_a_port_that_is_taken_ends_the_start_before_anything_is_trained(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "deploy.local", "--models", str(tmp_path / "models")]
        command += ["--runs", str(tmp_path / "runs"), "--http-port", port, "--operations-port", "0"]
        done = subprocess.run(
            [*command, "--grpc-port", "0"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"http.port: cannot listen on 127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_misspelt_flag_starts_nothing() -> None:
    command = [sys.executable, "-m", "deploy.local", "--http-prot", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--http-port" in done.stderr

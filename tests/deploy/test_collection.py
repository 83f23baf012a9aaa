"""Which models are to be made, and which are there already."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.collection import FIRST, LONG, Making, chosen, finished_run, missing, newest_version, outdated
from service import bundle
from tests.support import bundles
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


def test_a_choice_is_names_with_commas_and_the_first_models_come_first() -> None:
    assert chosen("waves-lstm, digits-cnn") == ("digits-cnn", "waves-lstm")
    assert chosen("first") == FIRST
    assert chosen("waves-lstm,first") == (*FIRST, "waves-lstm")
    assert set(chosen("all")) == set(JOBS)
    assert chosen("all")[: len(FIRST) + len(LONG)] == (*FIRST, *LONG)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("digits-cnn,digits", "there is no job 'digits'; there are digits-cnn"),
        (" , ", "no job is named; there are digits-cnn"),
    ],
)
def test_a_job_that_is_not_there_is_told_the_known_ones(named: str, reason: str) -> None:
    with pytest.raises(UnknownJob, match=reason):
        chosen(named)


def test_a_model_is_missing_until_a_version_is_published(tmp_path: Path) -> None:
    assert missing(tmp_path) == list(FIRST)
    (tmp_path / "digits-cnn" / ".tmp-1").mkdir(parents=True)
    (tmp_path / "digits-cnn" / ".tmp-1" / "manifest.json").touch()
    assert "digits-cnn" in missing(tmp_path)
    (tmp_path / "digits-cnn" / "1").mkdir()
    (tmp_path / "digits-cnn" / "1" / "manifest.json").touch()
    assert missing(tmp_path) == [job for job in FIRST if job != "digits-cnn"]


@pytest.mark.parametrize(
    ("made", "asked", "again"),
    [
        ("quick", "quick", False),
        ("full", "quick", False),
        ("smoke", "quick", True),
        ("quick", "full", True),
    ],
)
def test_a_version_is_outdated_by_a_better_profile_only(
    tmp_path: Path, made: str, asked: str, again: bool
) -> None:
    version = bundles.write_classifier(tmp_path, name="digits-cnn")
    change_provenance(version, job="digits-cnn", profile=made)
    making = Making(asked, tmp_path / "runs", tmp_path)
    assert outdated(making, ["digits-cnn"]) == (["digits-cnn"] if again else [])


def test_a_model_of_another_job_is_left_alone_and_a_broken_one_is_made_again(tmp_path: Path) -> None:
    version = bundles.write_classifier(tmp_path, name="digits-cnn")
    change_provenance(version, job="something-else", profile="smoke")
    making = Making("quick", tmp_path / "runs", tmp_path)
    assert outdated(making, ["digits-cnn"]) == []
    assert outdated(Making("quick", tmp_path / "runs", tmp_path, fresh=True), ["digits-cnn"]) == [
        "digits-cnn"
    ]
    (version / bundle.MANIFEST).write_text("{")
    assert outdated(making, ["digits-cnn"]) == ["digits-cnn"]


def test_the_newest_version_has_the_highest_number(tmp_path: Path) -> None:
    for number in ("2", "10", "x"):
        (tmp_path / "m" / number).mkdir(parents=True)
        (tmp_path / "m" / number / bundle.MANIFEST).touch()
    assert newest_version(tmp_path, "m") == tmp_path / "m" / "10"
    assert newest_version(tmp_path, "n") is None


def change_provenance(version: Path, **changes: str) -> None:
    manifest = bundle.read(version)
    changed = manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update=changes)})
    (version / bundle.MANIFEST).write_text(changed.model_dump_json())


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

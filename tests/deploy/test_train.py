"""What `make train` makes at once, shows and says at the end. Training and export are small scripts here."""

import io
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console
from typer.testing import CliRunner

from deploy.collection import Making
from deploy.display import Bars, Lines
from deploy.making import LOG, Maker, threads
from deploy.train import cli

TRAINING = """
import os, sys, time
job = sys.argv[1]
print("epoch 1/2  loss 0.5  0.1 s", flush=True)
if job == "digits-gan":
    raise SystemExit("error: it [diverged]")
if job == "digits-siamese":
    os.kill(os.getpid(), 9)
if job == "digits-vae":
    time.sleep(600)
print("epoch 2/2  loss 0.4  0.1 s")
print(sys.argv[5] + "/" + job + "/one")
"""
EXPORT = """
import pathlib, sys
version = pathlib.Path(sys.argv[3]) / pathlib.Path(sys.argv[1]).parent.name / "1"
version.mkdir(parents=True)
(version / "manifest.json").touch()
print(version)
"""


@pytest.fixture(autouse=True)
def _scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run instead of training and export."""
    for name, script in (("TRAINING", TRAINING), ("EXPORT", EXPORT)):
        (tmp_path / f"made_by_{name.lower()}.py").write_text(script)
        monkeypatch.setattr(f"deploy.making.{name}", f"made_by_{name.lower()}")
    for name in threads(2):
        monkeypatch.setenv(name, "1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


class Heard:
    """A display that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []
        self.ended: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, job: str, share: float, text: str) -> None:
        self.told.append((job, share))

    def end(self, job: str, text: str) -> None:
        self.ended.append(job)


def making(directory: Path) -> Making:
    return Making("quick", directory / "runs", directory / "models")


def test_a_job_that_fails_leaves_the_others_and_is_named_with_its_log(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["--only", "digits-gan,digits-cnn,waves-lstm", "--jobs", "2"])
    assert done.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["digits-cnn", "waves-lstm"]
    summary = " ".join(done.output.split("1 failed")[1].split())
    assert "digits-gan" in summary
    assert "error: it [diverged]" in summary
    assert f"runs/digits-gan/{LOG}" in summary
    assert "epoch 1/2" in (tmp_path / "runs" / "digits-gan" / LOG).read_text()


def test_a_process_that_was_killed_is_not_told_by_its_last_epoch(tmp_path: Path) -> None:
    (outcome,) = Maker(making(tmp_path), Heard()).make(["digits-siamese"])
    assert outcome.failure == "made_by_training was ended by signal 9"


def test_what_went_well_ends_with_0_and_a_job_that_there_is_not_with_2() -> None:
    assert CliRunner().invoke(cli, ["--only", "digits-cnn"]).exit_code == 0
    refused = CliRunner().invoke(cli, ["--only", "digits"])
    assert refused.exit_code == 2
    assert "there is no job 'digits'" in refused.output


def test_epochs_move_the_share_of_a_job(tmp_path: Path) -> None:
    heard = Heard()
    (outcome,) = Maker(making(tmp_path), heard).make(["digits-cnn"])
    assert outcome.failure == ""
    assert heard.told == [("digits-cnn", share) for share in (0.0, 0.45, 0.9, 0.9)]
    assert heard.ended == ["digits-cnn"]


def test_an_interrupt_ends_what_is_running_and_begins_no_more(tmp_path: Path) -> None:
    class Interrupting(Heard):
        def tell(self, job: str, share: float, text: str) -> None:
            super().tell(job, share, text)
            if share:
                os.kill(os.getpid(), signal.SIGINT)

    heard = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        Maker(making(tmp_path), heard).make(["digits-vae", "digits-cnn"])
    assert heard.ended == ["digits-vae"]


def test_processors_are_shared_among_trainings() -> None:
    assert threads(1) == {}
    assert set(threads(10_000).values()) == {"1"}


def shown(jobs: Sequence[str], kind: type[Bars] | type[Lines]) -> str:
    page = io.StringIO()
    with kind(jobs, Console(file=page, force_terminal=kind is Bars, width=100)) as display:
        display.tell("a", 0.5, "epoch 1/2")
        display.end("a", "published")
    return page.getvalue()


def test_a_terminal_has_one_overall_bar_and_a_file_a_line_for_each_thing() -> None:
    assert shown(["a", "b"], Lines) == "a  epoch 1/2\na  published (1 of 2)\n"
    assert "1 of 2" in shown(["a", "b"], Bars)
    assert "a: published" in shown(["a", "b"], Bars)

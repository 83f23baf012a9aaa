"""The command line: what it prints, and how it ends."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from training import epochlog
from training.__main__ import cli
from training.run import Run, newest_first
from training.score.rows import SPLIT_SEED

FAST = ["--profile", "smoke", "--set", "passes=1", "--set", "epochs=2"]


def invoke(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--runs", str(runs)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The smallest training of `tumour-autoencoder`, and what it printed."""
    runs = tmp_path_factory.mktemp("runs")
    return runs, invoke(runs, "tumour-autoencoder", *FAST, "--run", "first")


def test_a_training_prints_its_metrics_and_the_run_directory_last(trained: tuple[Path, Result]) -> None:
    runs, result = trained
    assert result.exit_code == 0, result.output
    assert re.search(r"auroc .* 0\.\d+ .* >= 0\.93", result.output)
    assert result.output.splitlines()[-1] == str(runs / "tumour-autoencoder" / "first")


def test_the_score_and_the_threshold_are_in_the_model(trained: tuple[Path, Result]) -> None:
    """Restored from files alone, the model gives the verdicts that were measured."""
    run = Run.open(trained[0] / "tumour-autoencoder" / "first")
    with np.load(run.examples) as examples:
        features = examples["features"]
    outputs = run.job.restore(run).predict(features, verbose=0)
    assert outputs["threshold"][0] == pytest.approx(run.metrics["threshold"], rel=1e-5)
    np.testing.assert_array_equal(outputs["is_anomaly"], outputs["score"] > outputs["threshold"])
    np.testing.assert_allclose(outputs["contributions"].sum(axis=1), outputs["score"], rtol=1e-4)
    assert outputs["reconstruction"].shape == features.shape == (64, 30)


def test_a_name_that_is_taken_is_refused_and_a_complete_run_is_shown_again(
    trained: tuple[Path, Result],
) -> None:
    again = ["tumour-autoencoder", *FAST, "--run", "first"]
    refused = invoke(trained[0], *again)
    assert (refused.exit_code, "choose another --run" in refused.stderr) == (2, True)
    shown = invoke(trained[0], *again, "--resume")
    assert (shown.exit_code, "epoch" in shown.output, "auroc" in shown.output) == (0, False, True)


def test_a_training_begins_with_the_weights_of_another(trained: tuple[Path, Result], tmp_path: Path) -> None:
    first = Run.open(trained[0] / "tumour-autoencoder" / "first")
    result = invoke(tmp_path, "tumour-autoencoder", *FAST, "--from", str(first.best_weights), "--run", "more")
    assert result.exit_code == 0, result.output
    more = Run.open(tmp_path / "tumour-autoencoder" / "more")
    assert more.settings.start == str(first.best_weights)
    before, after = (epochlog.read(run.log) for run in (first, more))
    assert after[0]["val_loss"] < before[0]["val_loss"]


def test_resume_takes_the_newest_run_that_is_not_complete(
    trained: tuple[Path, Result], tmp_path: Path
) -> None:
    """A run with other settings, a complete one and one that failed are left alone."""
    whole = Run.open(trained[0] / "tumour-autoencoder" / "first")
    for day, (name, status, seed) in enumerate(
        [("interrupted", "running", 1), ("other", "running", 2), ("failed", "failed", 1)], start=1
    ):
        changes = {"run": name, "status": status, "started": f"2026-01-0{day}T00:00:00Z"}
        record = whole.record.model_validate(whole.record.model_dump() | changes)
        settings = whole.settings.model_copy(update={"seed": seed})
        Run.create(tmp_path / "tumour-autoencoder" / name, record, settings)
    result = invoke(tmp_path, "tumour-autoencoder", *FAST, "--resume")
    assert result.exit_code == 0, result.output
    complete = [run.path.name for run in newest_first(tmp_path, "tumour-autoencoder") if run.complete]
    assert complete == ["interrupted"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "unknown setting 'epoch' in --set; known are"),
        (["--config", "absent.toml"], "settings file absent.toml cannot be read"),
        (["--data", "absent.csv"], "--data absent.csv: cannot be read: No such file"),
        (["--run", "../elsewhere"], "run name '../elsewhere'"),
        (["--from", "model.onnx"], "--from model.onnx does not exist; expected a .keras file"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_run(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = invoke(tmp_path, "tumour-autoencoder", *FAST, *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*/*"))


def test_a_training_that_diverges_fails_and_is_not_resumed(tmp_path: Path) -> None:
    """One row that is validated on is so far off that its error is infinite."""
    validated = np.random.default_rng(SPLIT_SEED).permutation(40)[12]
    sizes = ["1e38" if row == validated else f"{row * 1e-3}" for row in range(50)]
    path = tmp_path / "rows.csv"
    path.write_text(
        "\n".join(["a,b,label", *(f"{size},{row},{int(row >= 40)}" for row, size in enumerate(sizes))])
    )
    arguments = ["tumour-autoencoder", *FAST, "--data", str(path), "--run", "one"]
    result = invoke(tmp_path, *arguments)
    assert (result.exit_code, "error: val_loss became" in result.stderr) == (1, True), result.output
    assert [run.record.status for run in newest_first(tmp_path, "tumour-autoencoder")] == ["failed"]
    refused = invoke(tmp_path, *arguments, "--resume")
    assert (refused.exit_code, "diverged and would again" in refused.stderr) == (2, True)


def test_help_and_list_need_no_tensorflow() -> None:
    """They would take seconds otherwise."""
    program = "import sys; from training.__main__ import cli; cli(['--list'], standalone_mode=False); "
    check = "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    ended = subprocess.run(
        [sys.executable, "-c", program + check], capture_output=True, text=True, check=True, timeout=60
    )
    for name in ("digits-cnn", "prose-lstm", "chat-gru", "english-french", "tumour-autoencoder"):
        assert name in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "a job is missing"), (["poem"], "no job 'poem'"), (["digits-cnn", "--profile", "fast"], "'fast'")],
)
def test_what_is_not_known_is_refused_with_what_is(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = invoke(tmp_path, *arguments)
    assert (result.exit_code, message in result.output + result.stderr) == (2, True)


def test_a_comparison_prints_a_table_and_where_its_report_is(tmp_path: Path) -> None:
    command = ["compare", "digits-scratch", "--profile", "smoke", "--set", "epochs=1", "--seeds", "1"]
    varied = ["--vary", "hidden=[4],[8, 4]", "batch_size=256"]
    result = invoke(tmp_path, *command, *varied)
    assert result.exit_code == 0, result.output
    assert re.search(r"\[8, 4\] .* 256 .* 0\.\d+ .* 1/1 .* 6366", result.output), "784 x 8 + 8 + ..."
    page = tmp_path / "comparisons" / "digits-scratch" / "hidden-batch_size" / "README.md"
    assert result.output.splitlines()[-1] == str(page)
    assert "| [8, 4] | 256 |" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--vary", "hidden=[4],[8]", "batch_size=0"],
            "batch_size=0: setting 'batch_size': input should be greater",
        ),
        (["--vary", "width=1,2"], "unknown setting 'width' in --vary; known are"),
        ([], "nothing is varied"),
        (["--vary", "hidden=[4]", "--name", "trainings"], "cannot be named 'trainings'"),
        (["--vary", "hidden=[4]", "--data", "absent"], "no training ended well; the first: --data absent"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = invoke(tmp_path, "compare", "digits-scratch", *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())

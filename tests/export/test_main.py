import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export.__main__ import cli
from service import bundle
from service.bundle import Classify, ImageInput, Score
from training.run import Run

RUNNER = CliRunner()


def call(*arguments: object) -> tuple[int, str]:
    """Return the exit code and everything that was printed, on one line."""
    result = RUNNER.invoke(cli, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_a_digits_run_becomes_a_bundle_that_verifies(tmp_path: Path, digits_run: Path) -> None:
    code, printed = call(digits_run, "--models", tmp_path)
    assert (code, printed) == (0, f"published digits-cnn version 1 {tmp_path}/digits-cnn/1")
    manifest = bundle.read(tmp_path / "digits-cnn" / "1")
    assert isinstance(manifest.task, Classify)
    assert manifest.task.labels == tuple("0123456789")
    assert manifest.task.accepts == ImageInput(height=28, width=28, channels=1, scale=1 / 255)
    assert manifest.default.input("image").shape == ("batch", 28, 28, 1)
    assert manifest.parity["classify"].max_relative < 1e-5
    assert manifest.metrics == {"quality": 0.5}
    code, printed = call("verify", tmp_path / "digits-cnn" / "1")
    assert code == 0
    assert "classify: golden request" in printed


def test_a_tumour_run_becomes_a_bundle_that_verifies(tmp_path: Path, tumour_run: Path) -> None:
    code, printed = call("run", tumour_run, "--models", tmp_path, "--name", "tumours", "--version", 5)
    assert (code, printed) == (0, f"published tumours version 5 {tmp_path}/tumours/5")
    manifest = bundle.read(tmp_path / "tumours" / "5")
    assert isinstance(manifest.task, Score)
    assert len(manifest.task.features) == 30
    assert {tensor.name for tensor in manifest.default.outputs if tensor.shape == ("batch",)} == {
        "score", "is_anomaly", "threshold",
    }  # fmt: skip
    assert call("verify", tmp_path / "tumours" / "5")[0] == 0
    code, printed = call(tumour_run, "--models", tmp_path, "--name", "tumours", "--version", 5)
    assert (code, printed) == (1, "refused: version 5 exists; a version is never replaced")


def test_a_parity_beyond_the_tolerance_is_refused_and_published_nowhere(
    tmp_path: Path, digits_run: Path
) -> None:
    code, printed = call(digits_run, "--models", tmp_path, "--tolerance", "0")
    assert code == 1
    assert printed.startswith("refused: signature 'classify' (batch")
    assert "output 'probabilities' differs by" in printed
    assert list((tmp_path / "digits-cnn").iterdir()) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    code, printed = call(tmp_path, "--models", tmp_path)
    assert code == 1
    assert "refused:" in printed
    assert "is not a run: run.json: No such file or directory" in printed


def test_a_run_that_is_not_complete_is_refused(tmp_path: Path, digits_run: Path) -> None:
    copy = Path(shutil.copytree(digits_run, tmp_path / "copy"))
    Run.open(copy).update(status="running")
    code, printed = call(copy, "--models", tmp_path)
    assert code == 1
    assert "is not complete; continue it with --resume" in printed


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("best.weights.h5", "cannot be restored"),
        ("assets/labels.json", "cannot be restored"),
        ("assets/examples.npz", "examples.npz of the run cannot be read"),
    ],
)
def test_a_run_with_a_missing_file_is_refused(
    tmp_path: Path, digits_run: Path, name: str, reason: str
) -> None:
    copy = Path(shutil.copytree(digits_run, tmp_path / "copy"))
    (copy / name).unlink()
    code, printed = call(copy, "--models", tmp_path / "models")
    assert code == 1
    assert reason in printed


def test_an_index_of_a_repository_is_written_into_it(tmp_path: Path) -> None:
    (tmp_path / "m" / "3").mkdir(parents=True)
    (tmp_path / "m" / "3" / "manifest.json").write_text("{}")
    code, printed = call("index", tmp_path)
    assert (code, printed) == (0, f"{tmp_path}/index.json")
    assert bundle.Index.model_validate_json((tmp_path / "index.json").read_bytes()).models[
        "m"
    ].versions.keys() == {"3"}
    (tmp_path / "m" / "labels.json").write_text("[]")
    code, printed = call("index", tmp_path)
    assert (code, printed.partition(":")[0]) == (1, "refused")
    code, printed = call("index", tmp_path / "nothing")
    assert (code, printed) == (1, "refused: No such file or directory")


def test_a_directory_that_is_no_bundle_does_not_verify(tmp_path: Path) -> None:
    code, printed = call("verify", tmp_path)
    assert code == 1
    assert printed.endswith("refused: manifest: manifest.json cannot be read: No such file or directory")


@pytest.mark.parametrize(
    "arguments", [("run",), ("verify",), ("a-run", "--surprise"), ("a-run", "--version", "0")]
)
def test_a_wrong_argument_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert call(*arguments)[0] == 2


def test_help_names_both_commands() -> None:
    code, printed = call("--help")
    assert code == 0
    assert "verify" in printed
    assert "run" in printed


@pytest.mark.slow
@pytest.mark.parametrize("reached", ["saved_model.pb", "model.onnx"])
def test_a_killed_export_leaves_no_version_and_does_not_disturb_the_next(
    tmp_path: Path, digits_run: Path, reached: str
) -> None:
    command = [sys.executable, "-m", "export", str(digits_run), "--models", str(tmp_path)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(f"digits-cnn/.tmp-*/{reached}")):
        assert time.monotonic() < deadline
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended with {killed.wait(timeout=0.01)} before it could be killed")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    home = tmp_path / "digits-cnn"
    assert [path.name for path in home.iterdir() if not path.name.startswith(".")] == []
    assert call(digits_run, "--models", tmp_path)[0] == 0
    assert [path.name for path in home.iterdir()] == ["1"]

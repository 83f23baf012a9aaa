"""Two real workers on loopback: the loss of one alone, a kill, and a second start. And two devices of one machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training import checkpoint, epochlog
from training.__main__ import cli
from training.run import Run

EPOCHS = 3
JOB = ["digits-siamese", "--profile", "smoke", "--set", f"epochs={EPOCHS}"]
SETTINGS = [*JOB, "--set", "pairs=256", "--set", "filters=[2,2]"]


@pytest.fixture(scope="module")
def losses_alone(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of one worker that takes whole batches."""
    runs = tmp_path_factory.mktemp("alone")
    result = CliRunner().invoke(cli, [*SETTINGS, "--runs", str(runs), "--run", "alone"])
    assert result.exit_code == 0, result.output
    return losses(runs / "digits-siamese" / "alone")


def losses(run: Path) -> list[float]:
    return [row[name] for row in epochlog.read(Run.open(run).log) for name in ("loss", "val_loss")]


@contextmanager
def two_workers(runs: Path, *more: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Start both; none outlives the block."""
    with ExitStack() as places:
        sockets = [places.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    command = [sys.executable, "-m", "training", *SETTINGS, "--strategy", "multiworker", *more]
    workers = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TF_CONFIG": json.dumps(config)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        workers.append(
            subprocess.Popen([*command, "--runs", str(runs / f"of-{index}")], env=environment, **pipes)
        )
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


@pytest.mark.slow
def test_two_workers_have_the_loss_of_one_and_go_on_after_one_was_killed(
    tmp_path: Path, losses_alone: list[float]
) -> None:
    with two_workers(tmp_path) as (chief, other):
        for line in chief.stdout:
            if line.startswith("epoch 2/"):
                other.send_signal(signal.SIGKILL)
                break
        _, refused = chief.communicate(timeout=300)
        assert (chief.returncode, refused) == (
            1, "error: another worker is gone; start all of them again with --resume\n",
        )  # fmt: skip
    (path,) = (tmp_path / "of-0" / "digits-siamese").iterdir()
    assert not (tmp_path / "of-1").exists(), "the chief alone keeps a run"
    done = checkpoint.read(Run.open(path).checkpoint).epochs_done
    assert done == 2
    assert losses(path) == pytest.approx(losses_alone[: 2 * done], rel=1e-4)

    with two_workers(tmp_path, "--resume") as (chief, other):
        printed, wrong = chief.communicate(timeout=300)
        assert (chief.returncode, wrong) == (0, "")
        assert re.findall(r"^epoch (\d)/", printed, re.MULTILINE) == ["3"]
        printed, _ = other.communicate(timeout=300)
        assert (other.returncode, "trained for worker 0" in printed) == (0, True)
    finished = Run.open(path)
    assert finished.complete
    assert finished.metrics.keys() == {"auroc", "accuracy", "threshold"}
    assert len(losses(path)) == 2 * EPOCHS


@pytest.mark.slow
def test_two_devices_have_the_loss_of_one(tmp_path: Path, losses_alone: list[float]) -> None:
    """All but: Keras looks at a batch first, after which the random pairs are others."""
    options = ["--strategy", "mirrored", "--devices", "2", "--runs", str(tmp_path), "--run", "two"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "training", *SETTINGS, *options]
    subprocess.run(command, env=environment, check=True, timeout=300, capture_output=True)
    assert losses(tmp_path / "digits-siamese" / "two") == pytest.approx(losses_alone, rel=1e-2)


@pytest.mark.parametrize(
    ("options", "config", "message"),
    [
        (["--strategy", "multiworker"], None, "needs the environment variable TF_CONFIG"),
        (["--strategy", "multiworker"], '{"cluster": 1}', "TF_CONFIG has no object 'cluster'"),
        (["--devices", "2"], None, "--devices goes with --strategy mirrored"),
        (["--strategy", "tpu"], None, "'tpu' is not one of 'mirrored', 'multiworker'"),
    ],
)
def test_a_strategy_that_cannot_be_is_refused_before_anything_is_made(
    options: list[str], config: str | None, message: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli, [*JOB, *options, "--runs", str(tmp_path)], env={"TF_CONFIG": config})
    assert (result.exit_code, message in " ".join(result.stderr.replace("│", "").split())) == (2, True)
    assert not list(tmp_path.iterdir())

"""A real process, killed without warning in the middle of a training, and started again."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from training import checkpoint, epochlog
from training.run import Run

EPOCHS = 4


def command(runs: Path, *more: str) -> list[str]:
    options = ["--profile", "smoke", "--set", f"epochs={EPOCHS}", "--runs", str(runs), *more]
    return [sys.executable, "-m", "training", "digits-cnn", *options]


@pytest.mark.slow
def test_a_killed_training_goes_on_where_it_was_and_ends_complete(tmp_path: Path) -> None:
    """Also the smoke test of `digits-cnn`: what it leaves is looked at afterwards."""
    first = subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    with first:
        assert first.stdout is not None
        for line in first.stdout:
            if line.startswith("epoch 2/"):
                first.send_signal(signal.SIGKILL)
                break
    assert first.returncode == -signal.SIGKILL

    (path,) = (tmp_path / "digits-cnn").iterdir()
    killed = Run.open(path)
    done = checkpoint.read(killed.checkpoint).epochs_done
    assert (killed.complete, 2 <= done < EPOCHS) == (False, True)

    second = subprocess.run(
        command(tmp_path, "--resume"), capture_output=True, text=True, check=True, timeout=300
    )
    assert f"epoch {done + 1}/{EPOCHS}" in second.stdout
    assert f"epoch {done}/{EPOCHS}" not in second.stdout
    assert second.stderr == ""
    assert second.stdout.splitlines()[-1] == str(path)
    look_at(Run.open(path))


def look_at(run: Run) -> None:
    """A complete run of `digits-cnn`."""
    assert run.complete
    assert all(math.isfinite(value) for value in run.metrics.values())
    assert [row["epoch"] for row in epochlog.read(run.log)] == list(range(1, EPOCHS + 1))
    assert json.loads((run.assets / "labels.json").read_text()) == list("0123456789")
    for name in ("learning-curves", "confusion-matrix"):
        with Image.open(run.plots / f"{name}.png") as picture:
            assert picture.format == "PNG"
    assert not list(run.path.rglob(".*")), "nothing half-written is left"

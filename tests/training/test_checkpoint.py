"""Which pair of weights and standing survives a kill."""

from pathlib import Path

import pytest

from training import checkpoint
from training.errors import RunError
from training.patience import Standing


def save(directory: Path, epoch: int) -> None:
    standing = Standing(epochs_done=epoch)
    checkpoint.weights(directory, standing).write_text(f"weights {epoch}")
    checkpoint.write(directory, standing)


def test_nothing_written_is_the_beginning(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path / "checkpoint") == Standing()


def test_only_the_last_epoch_is_kept(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert checkpoint.read(tmp_path).epochs_done == 2
    assert [path.name for path in tmp_path.glob("*.h5")] == ["epoch-0002.weights.h5"]


def test_a_kill_between_weights_and_standing_leaves_the_epoch_before(tmp_path: Path) -> None:
    save(tmp_path, 1)
    checkpoint.weights(tmp_path, Standing(epochs_done=2)).write_text("weights 2")
    standing = checkpoint.read(tmp_path)
    assert standing.epochs_done == 1
    assert checkpoint.weights(tmp_path, standing).read_text() == "weights 1"


def test_a_standing_that_is_none_is_reported(tmp_path: Path) -> None:
    (tmp_path / checkpoint.STANDING).write_text("{")
    with pytest.raises(RunError, match=r"standing\.json cannot be read"):
        checkpoint.read(tmp_path)

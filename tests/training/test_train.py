"""A training from data to a complete run, interrupted and not. The job is the line of `conftest`."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from training import checkpoint, epochlog
from training.errors import Diverged, RunError
from training.job import Summary
from training.run import Run
from training.train import train


def weights_of(line, run: Run) -> list[np.ndarray]:
    return line.restore(Run.open(run.path)).get_weights()


def interrupt(line, settings, run: Run, console: Console, epoch: int) -> None:
    """Train `epoch` epochs, then end as a kill would."""
    with pytest.raises(KeyboardInterrupt):
        train(line, run, settings.model_copy(update={"stop_after": epoch}), console)


def test_a_complete_run_holds_all_that_its_docstring_promises(line, run, settings, console) -> None:
    finished = train(line, run, settings, console)
    assert Run.open(run.path) == finished
    assert finished.complete
    assert finished.record.data.sizes == {"train": 32}
    assert finished.metrics["error"] < 4.0
    assert [row["epoch"] for row in epochlog.read(run.log)] == [1, 2, 3, 4, 5, 6]
    assert (run.plots / "learning-curves.png").exists()
    assert json.loads((run.assets / "line.json").read_text()) == [3, 1]
    assert list(run.tensorboard.rglob("events.*"))


def test_the_best_weights_are_restored_without_the_data(line, run, settings, console) -> None:
    finished = train(line, run, settings, console)
    model = line.restore(finished)
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    error = float(np.square(model.predict(x, verbose=0) - (3 * x + 1)).mean())
    assert error == pytest.approx(finished.metrics["error"], rel=1e-5)


def test_a_continued_training_ends_with_the_weights_of_an_undisturbed_one(
    line, run, settings, record, tmp_path, console
) -> None:
    """The optimizer's memory is restored too: without it Adam would take other steps."""
    undisturbed = train(line, run, settings, console)
    killed = Run.create(tmp_path / "two", record, settings)
    interrupt(line, settings, killed, console, epoch=3)
    assert checkpoint.read(killed.checkpoint).epochs_done == 3
    continued = train(line, Run.open(killed.path), settings, console)
    assert [row["epoch"] for row in epochlog.read(continued.log)] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(weights_of(line, undisturbed), weights_of(line, continued), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_epochs_that_are_trained_again_are_logged_once(line, run, settings, console) -> None:
    interrupt(line, settings, run, console, epoch=3)
    rows = epochlog.read(run.log)
    epochlog.write(run.log, [*rows, {"epoch": 4, "loss": 99.0}])  # a kill between the log and the checkpoint
    train(line, Run.open(run.path), settings, console)
    assert [row["epoch"] for row in epochlog.read(run.log)] == [1, 2, 3, 4, 5, 6]
    assert epochlog.read(run.log)[3]["loss"] != 99.0


def test_a_run_that_stopped_early_is_not_trained_further(line, record, tmp_path, console) -> None:
    settings = line.settings(epochs=50, patience=1, learning_rate=3.0)
    run = Run.create(tmp_path / "early", record, settings)
    train(line, run, settings, console)
    rows = epochlog.read(run.log)
    assert len(rows) < 50
    run.update(status="running")  # as a kill during the evaluation would leave it
    assert train(line, Run.open(run.path), settings, console).complete
    assert epochlog.read(run.log) == rows


def test_a_plateau_lowers_the_learning_rate_and_a_continued_training_keeps_it(
    line, record, tmp_path, console
) -> None:
    settings = line.settings(epochs=8, plateau_patience=1, plateau_factor=0.1, learning_rate=2.0)
    run = Run.create(tmp_path / "plateau", record, settings)
    interrupt(line, settings, run, console, epoch=7)
    before = [row["learning_rate"] for row in epochlog.read(run.log)]
    assert before[-1] < before[0]
    train(line, Run.open(run.path), settings, console)
    assert epochlog.read(run.log)[-1]["learning_rate"] <= before[-1]


def test_a_loss_that_is_not_a_number_ends_training(line, record, tmp_path, console) -> None:
    settings = line.settings(learning_rate=1e30)
    run = Run.create(tmp_path / "diverging", record, settings)
    with pytest.raises(Diverged, match=r"loss became (inf|nan) in (batch|epoch) \d; a lower learning_rate"):
        train(line, run, settings, console)
    assert not Run.open(run.path).complete


def test_a_metric_that_is_not_a_number_ends_evaluation(line, run, settings, console) -> None:
    job = dataclasses.replace(line, evaluate=lambda *_: {"error": float("nan")})
    with pytest.raises(Diverged, match="held-out error is nan"):
        train(job, run, settings, console)


def test_a_job_that_monitors_what_it_does_not_log_is_told(line, run, settings, console) -> None:
    job = dataclasses.replace(line, monitor="val_bleu")
    with pytest.raises(RunError, match="monitors 'val_bleu', which epoch 1 did not log"):
        train(job, run, settings, console)


def test_data_that_changed_meanwhile_are_refused(line, run, settings, console) -> None:
    interrupt(line, settings, run, console, epoch=2)

    def fewer(settings):
        data = line.load(settings)
        return dataclasses.replace(data, x=data.x[:8], y=data.y[:8])

    with pytest.raises(RunError, match="have changed since it began"):
        train(dataclasses.replace(line, load=fewer), Run.open(run.path), settings, console)
    assert line.load(settings).summary == Summary("a line", {"train": 32})


def test_without_a_terminal_there_is_a_plain_line_for_each_epoch(line, run, settings) -> None:
    written = io.StringIO()
    train(line, run, settings, Console(file=written))
    lines = written.getvalue().splitlines()
    assert [text.split()[:2] for text in lines] == [["epoch", f"{epoch}/6"] for epoch in range(1, 7)]
    assert "val_loss" in lines[-1]


def test_on_a_terminal_there_is_one_bar(line, run, settings) -> None:
    written = io.StringIO()
    train(line, run, settings, Console(file=written, force_terminal=True, width=160))
    assert "epoch 6/6" in written.getvalue()
    assert "val_loss" in written.getvalue()
    assert "\x1b[?25h" in written.getvalue(), "the cursor is given back"

"""A comparison from settings to its report, interrupted and not.

The job is the line of `conftest` with a loop that computes its loss from the learning rate, for nothing here is about
how a model learns.
"""

import csv
import dataclasses
import math

import keras
import pytest
from PIL import Image

from training import comparison, comparison_report
from training.epochs import train_epochs
from training.errors import DataError, TrainingError, UsageError
from training.tally import best_first
from training.variation import Layers, parse, trials

BASE = Layers("quick", pairs=["epochs=2"])


def loss_after(settings, epochs: int) -> float:
    return (1 - settings.learning_rate) ** epochs + settings.seed / 1000


def fit(model, settings, data, loop) -> None:
    model.compile(keras.optimizers.SGD(settings.learning_rate))

    def train(epoch: int):
        if epoch == settings.stop_after:
            raise KeyboardInterrupt  # as a kill would
        yield {"loss": loss_after(settings, epoch), "val_loss": loss_after(settings, epoch)}

    train_epochs(model, settings, loop, steps=1, train=train, validate=dict)


@pytest.fixture
def job(line):
    return dataclasses.replace(
        line, fit=fit, evaluate=lambda model, settings, *_: {"error": loss_after(settings, 2)}
    )


def groups_of(job, *texts: str, seeds: int = 1, layers: Layers = BASE):
    return trials(job, parse(texts), layers, seeds)


def report(job, outcomes, home) -> str:
    goal = comparison.goal(job, outcomes)
    lines = best_first(outcomes, goal)
    return comparison_report.write(
        home / "report", outcomes, lines, (goal, job.monitor), ["compare"]
    ).read_text()


def test_a_comparison_leaves_a_complete_run_for_each_training_and_a_report_of_all(
    job, tmp_path, console
) -> None:
    groups = groups_of(job, "learning_rate=0.1,0.5", "batch_size=8", seeds=2)
    outcomes = comparison.compare(job, groups, tmp_path, console)
    assert all(each.run.complete for group in outcomes for each in group)
    assert len(list((tmp_path / "trainings").iterdir())) == 4
    page = report(job, outcomes, tmp_path)
    table = [text for text in page.splitlines() if text.startswith("|")]
    assert table[0] == "| learning_rate | batch_size | error | trainings | seconds | parameters |"
    assert table[2].startswith("| 0.5 | 8 | 0.2515 ± 0.00071 | 2/2 |")
    assert table[2].endswith("| 13 |"), "the line has 4 x (1 + 1) + 4 + 1 parameters"
    assert "Data, the same split for all: a line: 32 train." in page
    for name in ("curves", "scores"):
        with Image.open(tmp_path / "report" / f"{name}.png") as picture:
            assert picture.format == "PNG"
    with (tmp_path / "report" / "trainings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["1", "2"] * 2
    assert float(rows[0]["error"]) == outcomes[0][0].run.metrics["error"]


def test_what_is_complete_is_not_trained_again_and_what_was_interrupted_goes_on(
    job, tmp_path, console
) -> None:
    trained: list[int] = []

    def interrupted(model, settings, data, loop) -> None:
        trained.append(loop.initial_epoch)
        stop_after = 1 if len(trained) == 2 else None
        fit(model, settings.model_copy(update={"stop_after": stop_after}), data, loop)

    job = dataclasses.replace(job, fit=interrupted)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(job, groups_of(job, "batch_size=8,16"), tmp_path, console)
    outcomes = comparison.compare(job, groups_of(job, "batch_size=8,16,32"), tmp_path, console)
    assert trained == [0, 0, 1, 0], "the first is not trained again, the second from its second epoch"
    assert all(each.run.complete for group in outcomes for each in group)


def test_a_failed_training_is_reported_and_the_others_are_kept(job, tmp_path, console) -> None:
    """One has no data, one finds a bug and one diverges."""
    reasons = {16: DataError("the line is too short"), 32: ValueError("a bug\nand more of it")}

    def load(settings):
        if settings.batch_size in reasons:
            raise reasons[settings.batch_size]
        return job.load(settings)

    def diverging(model, settings, data, loop) -> None:
        rate = -math.inf if settings.batch_size == 64 else settings.learning_rate
        fit(model, settings.model_copy(update={"learning_rate": rate}), data, loop)

    def failures() -> list[str | None]:
        outcomes[:] = comparison.compare(tried, groups, tmp_path, console)
        return [each.failure for (each,) in outcomes]

    outcomes: list = []
    tried = dataclasses.replace(job, load=load, fit=diverging)
    groups = groups_of(tried, "batch_size=8,16,32,64")
    *others, diverged = failures()
    assert others == [None, "the line is too short", "ValueError: a bug"]
    assert "loss became inf" in diverged
    assert "* batch_size=16 seed=1: the line is too short" in report(job, outcomes, tmp_path)
    reasons.clear()
    assert failures() == [None, None, None, diverged], "what diverged would again; the others are tried"


@pytest.mark.parametrize(
    ("error", "kind"), [(DataError("no file"), UsageError), (OSError("full"), TrainingError)]
)
def test_where_all_fail_the_first_reason_is_raised(job, tmp_path, console, error, kind) -> None:
    def load(settings):
        raise error

    home = tmp_path / "runs" / "line"
    tried = dataclasses.replace(job, load=load)
    with pytest.raises(TrainingError, match="no training ended well; the first: ") as raised:
        comparison.compare(tried, groups_of(job, "batch_size=8,16"), home, console)
    assert (type(raised.value), str(error) in str(raised.value)) == (kind, True)
    assert home.exists() is (kind is TrainingError), "want of data leaves nothing"


def test_the_command_of_a_training_has_all_its_settings(job, tmp_path, console) -> None:
    ((outcome,),) = comparison.compare(job, groups_of(job, "batch_size=8"), tmp_path, console)
    words = outcome.run.record.command
    assert words.startswith("python -m training line --profile quick --set seed=1 --set epochs=2")
    assert "--set patience=none" in words


def test_a_job_that_promises_nothing_is_judged_as_its_monitored_value(job, tmp_path, console) -> None:
    free = dataclasses.replace(job, expected=())
    outcomes = comparison.compare(free, groups_of(job, "batch_size=8"), tmp_path, console)
    assert (comparison.goal(free, outcomes).metric, comparison.goal(free, outcomes).at_most) == ("error", 0.0)
    assert comparison.goal(dataclasses.replace(free, mode="max"), outcomes).at_least == 0.0

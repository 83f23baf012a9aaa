"""What follows from the monitored value of an epoch."""

from training.job import Settings
from training.patience import Standing, judge


def standings(values: list[float], settings: Settings, mode: str = "min") -> list[Standing]:
    """Return the standing after each epoch."""
    found = [Standing()]
    for value in values:
        found.append(judge(found[-1], value, settings, mode, seconds=1.0).standing)
    return found[1:]


def test_the_first_epoch_is_the_best_so_far() -> None:
    verdict = judge(Standing(), 2.0, Settings(), "min", seconds=1.5)
    assert verdict.improved
    assert verdict.standing == Standing(epochs_done=1, best=2.0, best_epoch=1, seconds=1.5)


def test_training_stops_after_patience_epochs_without_a_better_one() -> None:
    after = standings([3.0, 2.0, 2.0, 2.5, 1.0], Settings(patience=2))
    assert [standing.stopped for standing in after] == [False, False, False, True, False]
    assert after[3].best_epoch == 2


def test_without_patience_training_never_stops_early() -> None:
    assert not standings([1.0] * 50, Settings())[-1].stopped


def test_a_higher_value_is_better_where_the_job_says_so() -> None:
    after = standings([0.5, 0.7, 0.6], Settings(), mode="max")
    assert (after[-1].best, after[-1].best_epoch, after[-1].waited) == (0.7, 2, 1)


def test_the_learning_rate_falls_once_for_each_plateau() -> None:
    settings = Settings(plateau_patience=2)
    standing, reductions = Standing(), []
    for value in [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]:
        verdict = judge(standing, value, settings, "min", seconds=0)
        reductions.append(verdict.reduce)
        standing = verdict.standing
    assert reductions == [False, False, True, False, True, False, False]
    assert standing.waited == 1

"""Means, deviations and order of what was compared."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from training.job import Expectation
from training.tally import Outcome, best_first, by_value, result_rows, spread

HIGHER = Expectation("accuracy", at_least=0.9)
LOWER = Expectation("accuracy", at_most=0.9)


def outcome(chosen: dict[str, str], accuracy: float | None, seconds: float = 1.0) -> Outcome:
    trial = SimpleNamespace(chosen=chosen)
    if accuracy is None:
        return Outcome(trial, failure="too large")
    record = SimpleNamespace(seconds=seconds, parameters=12)
    return Outcome(trial, SimpleNamespace(path=Path(), record=record, metrics={"accuracy": accuracy}))


def group(units: str, cell: str, *accuracies: float | None) -> list[Outcome]:
    return [outcome({"units": units, "cell": cell}, accuracy) for accuracy in accuracies]


def test_the_deviation_is_that_of_a_sample_and_one_value_has_none() -> None:
    assert (spread([1.0, 3.0]).mean, spread([1.0, 3.0]).deviation) == (2.0, pytest.approx(2**0.5))
    assert str(spread([1.0, 3.0])) == "2 ± 1.4"
    assert str(spread([0.5])) == "0.5"


def test_the_best_combination_is_first_whichever_direction_is_better() -> None:
    outcomes = [group("1", "gru", 0.5, 0.7), group("2", "gru", 0.9, 0.9), group("3", "gru", 0.1, 0.2)]
    assert [line.chosen["units"] for line in best_first(outcomes, HIGHER)] == ["2", "1", "3"]
    assert [line.chosen["units"] for line in best_first(outcomes, LOWER)] == ["3", "1", "2"]


def test_failed_trainings_are_left_out_of_means_but_counted() -> None:
    lines = best_first([group("1", "gru", 0.5, None), group("2", "gru", None, None)], HIGHER)
    assert result_rows(lines, "accuracy") == [
        ["units", "cell", "accuracy", "trainings", "seconds", "parameters"],
        ["1", "gru", "0.5", "1/2", "1", "12"],
    ]


def test_a_value_by_itself_is_judged_over_all_trainings_that_have_it() -> None:
    outcomes = [
        group("1", "gru", 0.2),
        group("1", "lstm", 0.4),
        group("2", "gru", 0.6),
        group("2", "lstm", 0.8),
    ]
    found = {pair: each.mean for pair, each in by_value(best_first(outcomes, HIGHER), "accuracy").items()}
    assert found == {
        ("units", "2"): pytest.approx(0.7),
        ("units", "1"): pytest.approx(0.3),
        ("cell", "lstm"): pytest.approx(0.6),
        ("cell", "gru"): pytest.approx(0.4),
    }
    assert [key for key, _ in found] == ["units", "units", "cell", "cell"]

"""What is told of a classifier."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.classify import evaluation

LABELS = ("cat", "dog", "a|b")
PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.0, 1.0, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0], [0.34, 0.33, 0.33]]
)
CLASSES = np.array([0, 1, 1, 2, 2, 1])


def test_the_worst_mistake_is_the_one_that_is_surest() -> None:
    found = evaluation.mistakes(PROBABILITIES, CLASSES)
    assert [(each.row, each.true, each.predicted) for each in found] == [(3, 2, 1), (1, 1, 0), (5, 1, 0)]
    assert (found[0].of_true, found[0].of_predicted) == (0.1, 0.8)


def test_the_report_has_matrix_classes_and_mistakes_with_their_probabilities(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).random((6, 4, 4, 3))
    measured = evaluation.report(PROBABILITIES, CLASSES, LABELS, tmp_path, pixels)
    assert {path.name for path in tmp_path.iterdir()} == {
        "classes.txt", "confusion-matrix.png", "mistakes.txt", "mistakes.png",
    }  # fmt: skip
    predicted = PROBABILITIES.argmax(axis=1)
    assert measured["accuracy"] == pytest.approx(0.5)
    assert measured["mean_f1"] == pytest.approx(f1_score(CLASSES, predicted, average="macro"))
    assert measured["loss"] == pytest.approx(-np.log([0.9, 0.4, 1, 0.1, 1, 0.33]).mean())
    classes = (tmp_path / "classes.txt").read_text().splitlines()
    assert classes[2:] == [
        "| class | precision | recall | F1 | rows |",
        "| --- | --- | --- | --- | --- |",
        "| cat | 0.333 | 1.000 | 0.500 | 1 |",
        "| dog | 0.500 | 0.333 | 0.400 | 3 |",
        "| a\\|b | 1.000 | 0.500 | 0.667 | 2 |",
        "| mean | 0.611 | 0.611 | 0.522 | 6 |",
    ]
    assert "| 3 | a\\|b | 0.100 | dog | 0.800 |" in (tmp_path / "mistakes.txt").read_text()


def test_no_mistake_is_said_and_not_drawn(tmp_path: Path) -> None:
    measured = evaluation.report(np.eye(2), np.array([0, 1]), ("a", "b"), tmp_path, np.zeros((2, 4, 4, 1)))
    assert measured["accuracy"] == measured["mean_f1"] == 1.0
    assert (tmp_path / "mistakes.txt").read_text().endswith("None.\n")
    assert not (tmp_path / "mistakes.png").exists()


def test_a_class_that_nothing_was_taken_for_has_no_precision(tmp_path: Path) -> None:
    evaluation.report(np.array([[0.9, 0.1]] * 3), np.array([0, 1, 0]), ("a", "b"), tmp_path)
    assert "| b | 0.000 | 0.000 | 0.000 | 1 |" in (tmp_path / "classes.txt").read_text()

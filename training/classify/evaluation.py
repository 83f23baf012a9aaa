"""What a classifier did on held-out rows: who was taken for whom, each class by itself, and the worst mistakes.

Knows probabilities and classes; knows no model. Writes pictures and tables for the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from training import atomic, plots

WORST = 24
LEAST_LIKELY = 1e-7  # below it a probability's logarithm says nothing more

Probabilities = NDArray[np.floating]
Classes = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that was taken for the class `predicted`, with the probabilities of both."""

    row: int
    true: int
    predicted: int
    of_true: float
    of_predicted: float


def report(
    probabilities: Probabilities,
    classes: Classes,
    labels: Sequence[str],
    directory: Path,
    pixels: NDArray[np.floating] | None = None,
) -> dict[str, float]:
    """Write all that is told of a classifier into `directory`; return accuracy, loss and the mean F1 of the classes.

    `probabilities` is [rows, labels], `classes` [rows] and `pixels` what the rows show: [rows, height, width, 1 or 3].
    """
    predicted = probabilities.argmax(axis=1)
    counts = confusion_matrix(classes, predicted, labels=range(len(labels)))
    plots.confusion_matrix(counts, labels, directory / "confusion-matrix.png")
    each = precision_recall_fscore_support(classes, predicted, labels=range(len(labels)), zero_division=0.0)
    atomic.write_text(directory / "classes.txt", classes_table(labels, *each))
    found = mistakes(probabilities, classes)[:WORST]
    atomic.write_text(directory / "mistakes.txt", mistakes_table(found, labels))
    if found and pixels is not None:
        shown = pixels[[mistake.row for mistake in found]]
        plots.tiles(
            shown[..., 0] if shown.shape[-1] == 1 else shown,
            directory / "mistakes.png",
            "Worst mistakes, held out: the truth, and what was seen",
            titles=[_caption(mistake, labels) for mistake in found],
        )
    likelihood = np.maximum(probabilities[np.arange(len(classes)), classes], LEAST_LIKELY)
    return {
        "accuracy": float(counts.trace() / counts.sum()),
        "loss": float(-np.log(likelihood).mean()),
        "mean_f1": float(each[2].mean()),
    }


def mistakes(probabilities: Probabilities, classes: Classes) -> list[Mistake]:
    """Return the rows whose most probable class is not theirs, those sure of it first."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != classes)
    of_true, of_predicted = probabilities[wrong, classes[wrong]], probabilities[wrong, predicted[wrong]]
    order = np.argsort(of_true - of_predicted, kind="stable")
    return [
        Mistake(
            int(wrong[place]),
            int(classes[wrong[place]]),
            int(predicted[wrong[place]]),
            float(of_true[place]),
            float(of_predicted[place]),
        )
        for place in order
    ]


def classes_table(
    labels: Sequence[str],
    precision: Probabilities,
    recall: Probabilities,
    f1: Probabilities,
    rows: Classes,
) -> str:
    """Return precision, recall, F1 and the number of held-out rows of each class as a table."""
    lines = [
        (label, *(f"{measure[place]:.3f}" for measure in (precision, recall, f1)), str(rows[place]))
        for place, label in enumerate(labels)
    ]
    means = (f"{measure.mean():.3f}" for measure in (precision, recall, f1))
    head = ("class", "precision", "recall", "F1", "rows")
    return "Each class, held out\n\n" + _table(head, [*lines, ("mean", *means, str(rows.sum()))])


def mistakes_table(found: Sequence[Mistake], labels: Sequence[str]) -> str:
    """Return mistakes with their probabilities as a table."""
    title = "Worst mistakes, held out\n\n"
    if not found:
        return title + "None.\n"
    lines = [
        (str(each.row), labels[each.true], f"{each.of_true:.3f}", labels[each.predicted], f"{each.of_predicted:.3f}")
        for each in found
    ]  # fmt: skip
    return title + _table(("row", "true", "its probability", "predicted", "its probability"), lines)


def _caption(mistake: Mistake, labels: Sequence[str]) -> str:
    return f"{labels[mistake.true]} {mistake.of_true:.2f}\n{labels[mistake.predicted]} {mistake.of_predicted:.2f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)

"""Every picture is a PNG of a decent size, and needs no display."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import plots

ROWS = [{"epoch": 1, "loss": 2.0, "val_loss": 2.5}, {"epoch": 2, "loss": 1.0, "val_loss": 1.5}]
SCORES = {"normal": np.array([0.5, 1.0, 0.0]), "anomalous": np.array([3.0, 40.0])}


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: plots.learning_curves(ROWS, path),
        lambda path: plots.learning_curves([], path),
        lambda path: plots.confusion_matrix(np.array([[9, 1], [0, 0]]), ["cat", "long name"], path),
        lambda path: plots.roc_curve(np.array([0, 0.1, 1]), np.array([0, 0.9, 1]), 0.9, path),
        lambda path: plots.histogram(SCORES, 2.0, path),
        lambda path: plots.histogram({"normal": np.zeros(3)}, 2.0, path),
        lambda path: plots.curves({"greedy": [(1, 2.0), (2, 3.0)]}, path, "BLEU", x="epoch", y="BLEU"),
    ],
)
def test_a_picture_is_drawn(draw: Callable[[Path], None], tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    draw(target)
    with Image.open(target) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) >= 400
        assert len(picture.convert("RGB").getcolors(maxcolors=1_000_000)) > 10
    assert list(tmp_path.iterdir()) == [target]


def test_a_sheet_has_the_pictures_three_times_as_large_eight_in_a_row(tmp_path: Path) -> None:
    pictures = np.zeros((9, 2, 2))
    pictures[:, 1, 1] = 5.0
    plots.sheet(pictures, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        shades = np.asarray(sheet)[1::3, 1::3]
    assert shades.shape == (2 * 3, 8 * 3)
    assert shades[:3, :3].tolist() == [[0, 0, 255], [0, 255, 255], [255, 255, 255]]
    assert shades[3:, 3:].min() == 255, "there is only one in the second row"

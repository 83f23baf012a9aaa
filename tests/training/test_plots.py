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

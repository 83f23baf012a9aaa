"""How large what is copied into a report may be."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export import pictures


def noise(path: Path, side: int) -> Path:
    """Write a picture that cannot be compressed."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_small_pictures_and_texts_are_copied_as_they_are(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "page.txt", "data.csv"):
        (tmp_path / name).write_text(name)
    report = tmp_path / "report"
    report.mkdir()
    assert pictures.copy(tmp_path, report) == (["a.png", "b.png"], ["page.txt"])
    assert {path.name: path.read_text() for path in report.iterdir()} == {
        name: name for name in ("a.png", "b.png", "page.txt")
    }


def test_a_large_picture_is_drawn_smaller_and_a_large_text_stays_away(tmp_path: Path) -> None:
    large = noise(tmp_path / "large.png", 400)
    (tmp_path / "long.txt").write_text("x" * (pictures.TEXT_BYTES + 1))
    assert large.stat().st_size > pictures.MOST_BYTES
    report = tmp_path / "report"
    report.mkdir()
    assert pictures.copy(tmp_path, report) == (["large.png"], [])
    assert (report / "large.png").stat().st_size <= pictures.MOST_BYTES


@pytest.mark.parametrize("side", [50, 400])
def test_a_thumbnail_is_within_both_bounds(tmp_path: Path, side: int) -> None:
    made = pictures.thumbnail(noise(tmp_path / "a.png", side), width=240, most_bytes=20_000)
    assert len(made) <= 20_000
    with Image.open(io.BytesIO(made)) as image:
        assert image.width <= min(side, 240)

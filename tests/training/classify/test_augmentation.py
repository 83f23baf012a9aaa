"""Random changes to training pictures."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from training.classify import pictures
from training.classify.augmentation import Augmentation
from training.classify.pictures import Part

ALL = Augmentation(turn=0.1, zoom=0.2, shift=0.2, flip=True, contrast=0.5, beyond="edge")


def coloured(count: int) -> Part:
    return Part(
        np.random.default_rng(1).random((count, 8, 8, 3), np.float32), np.arange(count, dtype=np.int32)
    )


def test_changed_digits_keep_class_and_range_and_differ_each_time() -> None:
    keras.utils.set_random_seed(1)
    part = pictures.read(None).validation
    batches = Augmentation(0.03, 0.1, 0.07).batches(part.pixels, part.classes, 256)
    (first, first_classes), (second, _) = next(iter(batches)), next(iter(batches))
    assert sorted(first_classes.numpy()) == sorted(part.classes)
    assert (float(first.numpy().min()) >= 0, float(first.numpy().max()) <= 1) == (True, True)
    assert not np.array_equal(first.numpy(), second.numpy())


def test_every_change_keeps_colours_between_0_and_1() -> None:
    changed = np.asarray(ALL.layers()(coloured(32).pixels, training=True))
    assert changed.shape == (32, 8, 8, 3)
    assert (changed.min() >= 0, changed.max() <= 1) == (True, True)


def test_what_is_switched_off_is_not_done() -> None:
    part = coloured(6)
    (pixels, classes), *rest = Augmentation(0, 0, 0).batches(part.pixels, part.classes, 6)
    assert rest == []
    np.testing.assert_array_equal(pixels, part.pixels[classes])


@pytest.mark.parametrize(("beyond", "darkest"), [("black", 0.0), ("edge", 1.0)])
def test_what_comes_in_is_black_or_the_edge_s_colour(beyond: str, darkest: float) -> None:
    white = np.ones((16, 8, 8, 3), np.float32)
    moved = Augmentation(0, 0, 0.3, beyond=beyond).layers()(white, training=True)  # type: ignore[arg-type]  # of the parameters
    assert float(np.min(moved)) == pytest.approx(darkest, abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_preview_has_five_rows(channels: int, tmp_path: Path) -> None:
    ALL.preview(coloured(9).pixels[..., :channels], tmp_path / "preview.png")
    with Image.open(tmp_path / "preview.png") as picture:
        assert picture.width > picture.height > picture.width / 2

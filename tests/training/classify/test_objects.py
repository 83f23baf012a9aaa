"""Pictures of objects from three sources."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.classify import objects, shapes
from training.classify.objects import PictureSettings
from training.errors import DataError


def test_drawn_objects_are_split_without_loss_with_every_class_in_every_part() -> None:
    data = objects.read(PictureSettings(pictures=80), 16)
    assert data.summary.sizes == {"train": 80, "validation": 10, "held_out": 20}
    assert data.labels == tuple(shapes.OBJECTS)
    for part in (data.train, data.validation, data.held_out):
        assert part.pixels.shape == (len(part), 16, 16, 3)
        assert set(part.classes) == set(range(10))


def test_what_is_held_out_is_the_same_every_time() -> None:
    first, second = (objects.read(PictureSettings(pictures=80, seed=seed), 8) for seed in (1, 2))
    np.testing.assert_array_equal(first.held_out.pixels, second.held_out.pixels)


def test_colour_alone_does_not_tell_the_kind() -> None:
    """The nearest mean colour finds hardly more than chance, 0.1, would."""
    data = objects.read(PictureSettings(pictures=800), 8)
    train, held_out = (part.pixels.mean(axis=(1, 2)) for part in (data.train, data.held_out))
    means = np.stack([train[data.train.classes == each].mean(axis=0) for each in range(10)])
    found = np.linalg.norm(held_out[:, None] - means, axis=2).argmin(axis=1)
    assert (found == data.held_out.classes).mean() < 0.25


def test_a_folder_is_read_in_colour(tmp_path: Path) -> None:
    for name, colour in (("lime", (0, 255, 0)), ("navy", (0, 0, 128))):
        (tmp_path / name).mkdir()
        for index in range(10):
            Image.new("RGB", (12, 12), colour).save(tmp_path / name / f"{index}.png")
    data = objects.read(PictureSettings(data=str(tmp_path)), 8)
    assert (data.labels, sum(data.summary.sizes.values())) == (("lime", "navy"), 20)
    np.testing.assert_array_equal(data.train.pixels[:, 0, 0, 1] == 1, data.train.classes == 0)


def test_cifar_keeps_its_own_test_part_held_out() -> None:
    classes = np.tile(np.arange(10, dtype=np.uint8), 24)[:, None]
    pixels = np.full((240, 32, 32, 3), 255, np.uint8)
    data = objects.read_cifar(16, lambda: ((pixels, classes), (pixels[:30], classes[:30])))
    assert data.summary.sizes == {"train": 220, "validation": 20, "held_out": 30}
    assert (data.held_out.pixels.shape, data.held_out.classes.shape) == ((30, 16, 16, 3), (30,))
    assert (data.labels[3], data.held_out.pixels.max()) == ("cat", 1.0)


def test_cifar_out_of_reach_is_reported() -> None:
    def fetch() -> objects.Fetched:
        raise OSError("Name or service not known")

    with pytest.raises(DataError, match="cifar10 cannot be fetched: Name or service not known"):
        objects.read_cifar(32, fetch)

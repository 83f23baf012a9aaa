"""Pictures from three sources, and what is said of those that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.classify import pictures
from training.errors import DataError


def write_images(folder: Path, count: int, shade: int, mode: str = "RGB") -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        colour = (shade, shade, shade) if mode == "RGB" else shade
        Image.new(mode, (40, 30), colour).save(folder / f"{index}.png")


def test_the_digits_are_split_without_loss_and_between_0_and_1() -> None:
    data = pictures.read(None)
    assert data.summary.sizes == {"train": 1293, "validation": 144, "held_out": 360}
    assert data.train.pixels.shape == (1293, 28, 28, 1)
    assert (data.train.pixels.min(), data.train.pixels.max()) == (0.0, 1.0)
    for part in (data.train, data.validation, data.held_out):
        assert set(part.classes) == set(range(10))


def test_the_split_is_the_same_every_time_and_its_parts_share_nothing() -> None:
    first, second = pictures.read(None), pictures.read(None)
    np.testing.assert_array_equal(first.held_out.pixels, second.held_out.pixels)
    known = {image.tobytes() for image in first.train.pixels}
    assert not any(image.tobytes() in known for image in first.held_out.pixels)


def test_a_folder_is_read_with_its_subfolders_as_labels(tmp_path: Path) -> None:
    write_images(tmp_path / "dark", 10, 0)
    write_images(tmp_path / "bright", 20, 255, mode="L")
    (tmp_path / "bright" / "notes.txt").write_text("not an image")
    data = pictures.read(str(tmp_path))
    assert data.labels == ("bright", "dark")
    assert sum(data.summary.sizes.values()) == 30
    for part in (data.train, data.validation, data.held_out):
        np.testing.assert_array_equal(part.pixels.max(axis=(1, 2, 3)), part.classes == 0)


def test_many_classes_of_few_images_are_all_in_every_part(tmp_path: Path) -> None:
    for name in "abcdefg":
        write_images(tmp_path / name, 10, 0)
    data = pictures.read(str(tmp_path))
    for part in (data.train, data.validation, data.held_out):
        assert set(part.classes) == set(range(7))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data .*absent: no such folder"):
        pictures.read(str(tmp_path / "absent"))


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write_images(tmp_path / "only", 10, 0)
    with pytest.raises(DataError, match="found 1 subfolders, expected one for each of >= 2 classes"):
        pictures.read(str(tmp_path))


def test_a_class_with_few_images_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "a", 10, 0)
    write_images(tmp_path / "b", 9, 0)
    with pytest.raises(DataError, match="class 'b' has 9 images, expected at least 10"):
        pictures.read(str(tmp_path))


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "a", 10, 0)
    write_images(tmp_path / "b", 10, 0)
    (tmp_path / "b" / "3.png").write_bytes(b"text")
    with pytest.raises(DataError, match=r"image b/3\.png cannot be read"):
        pictures.read(str(tmp_path))


def test_mnist_keeps_its_own_test_part_held_out() -> None:
    classes = np.tile(np.arange(10, dtype=np.uint8), 24)
    shades = np.full((240, 28, 28), 255, dtype=np.uint8)
    data = pictures.read_mnist(lambda: ((shades, classes), (shades[:30], classes[:30])))
    assert data.summary.sizes == {"train": 220, "validation": 20, "held_out": 30}
    assert data.held_out.pixels.shape == (30, 28, 28, 1)
    assert data.held_out.pixels.max() == 1.0


def test_mnist_out_of_reach_is_reported() -> None:
    def fetch() -> pictures.Fetched:
        raise OSError("Name or service not known")

    with pytest.raises(DataError, match="mnist cannot be fetched: Name or service not known"):
        pictures.read_mnist(fetch)

"""Folders of images, and what is said of those that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.classify import folder
from training.classify.folder import Form
from training.errors import DataError

COLOUR = Form(8, colour=True, mixed=False)


def write_images(
    path: Path, count: int = 10, colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (8, 8)
) -> None:
    path.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", size, colour).save(path / f"{index}.png")


def test_colours_and_classes_are_read(tmp_path: Path) -> None:
    write_images(tmp_path / "red")
    write_images(tmp_path / "blue", 12, (0, 0, 255))
    (tmp_path / ".hidden").mkdir()
    pixels, classes, labels = folder.read(tmp_path, COLOUR)
    assert (pixels.shape, labels) == ((22, 8, 8, 3), ("blue", "red"))
    np.testing.assert_array_equal(pixels[:, 0, 0], np.eye(3)[[2] * 12 + [0] * 10])
    np.testing.assert_array_equal(classes, [0] * 12 + [1] * 10)


def test_images_of_one_size_are_scaled_to_what_the_model_takes(tmp_path: Path) -> None:
    write_images(tmp_path / "red", size=(20, 10))
    write_images(tmp_path / "blue", size=(20, 10))
    assert folder.read(tmp_path, COLOUR)[0].shape == (20, 8, 8, 3)


def test_images_of_several_sizes_are_refused_unless_they_are_to_be_scaled(tmp_path: Path) -> None:
    write_images(tmp_path / "blue")
    write_images(tmp_path / "red", size=(9, 8))
    with pytest.raises(
        DataError, match=r"image red/0\.png has 9x8 pixels, blue/0\.png has 8x8; expected one"
    ):
        folder.read(tmp_path, COLOUR)
    assert folder.read(tmp_path, Form(8, colour=True))[0].shape == (20, 8, 8, 3)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDRbroken"])
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    write_images(tmp_path / "a")
    write_images(tmp_path / "b")
    (tmp_path / "b" / "3.png").write_bytes(content)
    with pytest.raises(DataError, match=r"image b/3\.png cannot be read"):
        folder.read(tmp_path, COLOUR)


def test_half_an_image_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "a", size=(300, 300))
    write_images(tmp_path / "b", size=(300, 300))
    whole = (tmp_path / "b" / "3.png").read_bytes()
    (tmp_path / "b" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"image b/3\.png cannot be read"):
        folder.read(tmp_path, COLOUR)

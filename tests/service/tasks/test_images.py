"""Pictures, encoded or as numbers, as a model takes them."""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.bundle import ImageInput
from service.domain import Array
from service.errors import Invalid, TimedOut, TooLarge
from service.tasks import images
from service.tasks.images import ImageReader

NEVER_S = 1e9
GREY = ImageReader(ImageInput(height=4, width=4, channels=1, scale=1 / 255))
COLOUR = ImageReader(ImageInput(height=2, width=3, channels=3, scale=1.0))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """Return a PNG file of one-bit greys with a given header, whatever its body holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


async def decode(image: Image.Image, kind: str = "PNG", **options: Any) -> Array:
    return await GREY.decode(encoded(image, kind, **options), NEVER_S)


async def test_a_png_of_the_models_size_comes_through_exactly() -> None:
    levels = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    pixels = await decode(Image.fromarray(levels))
    assert pixels.dtype == np.float32
    assert np.allclose(pixels[0, :, :, 0] * 255, levels)


async def test_colour_and_grey_become_what_the_model_takes() -> None:
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert np.allclose(await decode(red) * 255, 76)
    grey = await COLOUR.decode(encoded(Image.new("L", (3, 2), 7)), NEVER_S)
    assert grey.shape == (1, 2, 3, 3)
    assert (grey == 7).all()


async def test_a_jpeg_is_decoded_and_shrunk() -> None:
    photo = Image.new("RGB", (640, 480), (200, 200, 200))
    assert np.allclose(await decode(photo, "JPEG") * 255, 200, atol=2)


async def test_any_size_is_stretched_to_the_models_without_aliasing() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (8, 200)))
    assert np.allclose(await decode(stripes), 0.5, atol=0.02)
    assert (await decode(Image.new("L", (1, 9), 255))).tolist() == np.ones((1, 4, 4, 1)).tolist()


async def test_orientation_is_applied() -> None:
    upright = Image.new("L", (4, 4), 0)
    upright.paste(255, (0, 0, 4, 2))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: the camera's top is our right
    pixels = await decode(upright, "PNG", exif=exif)
    assert pixels[0, 0, :, 0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
async def test_transparency_is_laid_on_black(mode: str) -> None:
    half = Image.new("RGBA", (4, 4), (255, 255, 255, 128)).convert(mode)
    assert np.allclose(await decode(half) * 255, 128, atol=1)
    assert (await decode(Image.new("RGBA", (4, 4), (255, 255, 255, 0)).convert(mode))).max() == 0


async def test_a_palette_with_a_transparent_colour_is_understood() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])
    assert (await decode(image)).min() == 1
    assert (await decode(image, "PNG", transparency=1)).max() == 0


async def test_sixteen_bits_are_brought_down_to_eight_not_cut_off() -> None:
    deep = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    assert np.allclose(await decode(deep) * 255, 128, atol=1)


@pytest.mark.parametrize(
    "data", [b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", encoded(Image.new("L", (4, 4)), "GIF")]
)
async def test_what_is_no_png_or_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid, match="expected a PNG or JPEG image, got something else") as caught:
        await GREY.decode(data, NEVER_S)
    assert caught.value.field == "image"


async def test_nothing_is_no_image() -> None:
    with pytest.raises(Invalid, match="got nothing"):
        await GREY.decode(b"", NEVER_S)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_a_file_cut_off_in_the_middle_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(Invalid, match="broken or cut off"):
        await GREY.decode(data[: len(data) // 2], NEVER_S)


@pytest.mark.parametrize("size", [(8192, 8192), (2**17, 2**17), (2**31 - 1, 2**31 - 1)])
async def test_a_header_that_promises_too_much_is_refused_before_anything_is_unpacked(
    size: tuple[int, int],
) -> None:
    with pytest.raises(TooLarge, match="more than 33554432 pixels") as caught:
        await GREY.decode(png(*size), NEVER_S)
    assert caught.value.field == "image"


@given(st.binary(max_size=64), st.integers(0, 400), st.integers(0, 255))
def test_damaged_files_are_read_or_refused_and_nothing_else(tail: bytes, place: int, byte: int) -> None:
    for kind in ("PNG", "JPEG"):
        data = bytearray(encoded(Image.new("L", (9, 7), 99), kind))
        data[place % len(data)] = byte
        try:
            pixels = asyncio.run(GREY.decode(bytes(data) + tail, NEVER_S))
        except (Invalid, TooLarge):
            continue
        assert pixels.shape == (1, 4, 4, 1)


async def test_a_large_picture_is_decoded_without_holding_up_the_loop() -> None:
    reader = ImageReader(ImageInput(height=4, width=4, channels=1, scale=1 / 255))
    large = encoded(Image.new("L", (600, 600), 255))
    decoding = asyncio.create_task(reader.decode(large, NEVER_S))
    await asyncio.sleep(0)
    assert not decoding.done()
    assert (await decoding).min() == 1


async def test_a_picture_whose_turn_does_not_come_in_time_times_out() -> None:
    reader = ImageReader(ImageInput(height=4, width=4, channels=1, scale=1 / 255))
    large = encoded(Image.new("L", (600, 600), 255))
    for _ in range(images.LARGE_AT_ONCE):
        await reader._large.acquire()
    with pytest.raises(TimedOut):
        await reader.decode(large, asyncio.get_running_loop().time())


def test_pixels_of_the_models_size_are_scaled() -> None:
    levels = [[0, 51, 102, 255]] * 4
    assert np.allclose(GREY.pixels(levels, scaled=False)[0, 0, :, 0], [0, 0.2, 0.4, 1])
    assert np.allclose(GREY.pixels([[0, 0.2, 0.4, 1]] * 4, scaled=True)[0, 0, :, 0], [0, 0.2, 0.4, 1])


def test_pixels_may_be_an_array_have_a_channel_axis_and_any_size() -> None:
    assert GREY.pixels(np.full((4, 4, 1), 255, np.uint8), scaled=False).min() == 1
    assert GREY.pixels([[[255]] * 9] * 7, scaled=False).shape == (1, 4, 4, 1)
    assert np.allclose(GREY.pixels([[[255, 0, 0]] * 4] * 4, scaled=False) * 255, 76.245)
    assert COLOUR.pixels([[9] * 3] * 2, scaled=False).tolist() == [[[[9.0] * 3] * 3] * 2]


def test_numbers_and_a_file_of_them_are_the_same_picture() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (9, 7), np.uint8)
    decoded = asyncio.run(GREY.decode(encoded(Image.fromarray(levels)), NEVER_S))
    assert np.allclose(GREY.pixels(levels, scaled=False), decoded, atol=1 / 255)


@pytest.mark.parametrize(
    ("pixels", "scaled", "message"),
    [
        ([1, 2], False, r"expected shape \[height, width\] or \[height, width, channels\], got \[2\]"),
        (7, False, r"got \[\]"),
        ("7", False, r"got \[\]"),
        ([], False, r"got \[0\]"),
        ([[]], False, r"expected at least one pixel of 1 or 3 channels, got shape \[1, 0\]"),
        ([[[1, 2]]], False, r"1 or 3 channels, got shape \[1, 1, 2\]"),
        ([[1, 2], [3]], False, r"uneven list: \[1\] has 1 elements, expected 2"),
        ([[1, "2"]], False, r"expected float32, got a string at \[0\]\[1\]"),
        ([[1, float("nan")]], False, r"NaN at \[0\]\[1\]"),
        ([[1, 2], [3, 256]], False, r"expected values of 0 to 255, got 256 at \[1\]\[1\]"),
        ([[-1]], False, "expected values of 0 to 255, got -1"),
        ([[1.5]], True, r"expected values of 0 to 1, got 1.5 at \[0\]\[0\]"),
        (np.array([[np.nan]]), False, "expected values of 0 to 255, got nan"),
    ],
)
def test_numbers_that_make_no_picture_are_refused(pixels: Any, scaled: bool, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        GREY.pixels(pixels, scaled=scaled)
    assert caught.value.field == "pixels"

"""Turn a picture, encoded or as numbers, into the pixels that a model takes.

Knows pictures. Knows nothing of models beyond the manifest's `ImageInput`.

What happens to an encoded picture, in this order: limits on its header; orientation by EXIF; transparency is laid
on black; colour or grey as the model takes it; stretched to the model's size with an antialiasing bilinear
filter; scaled.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from service.bundle import ImageInput, Tensor
from service.domain import Array
from service.errors import Invalid, ServiceError, TimedOut, TooLarge
from service.tasks import nesting
from service.tasks.tensors import TensorCoercion

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 2**25
"""A header may promise so many: what a few kilobytes unpack to must be bounded before they are unpacked."""
INLINE_BYTES = 32 * 1024
INLINE_PIXELS = 2**15
"""Up to this size a picture is decoded on the event loop, in 0.3 ms at most: waking a thread takes 0.1 ms."""
LARGE_AT_ONCE = 2
"""So many large pictures are decoded side by side: each may take several times `MAX_PIXELS` bytes."""
_JPEG_MARGIN = 4
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow


class ImageReader:
    """Makes arrays [1, height, width, channels] float32 for one model."""

    def __init__(self, accepts: ImageInput) -> None:
        self._accepts = accepts
        self._mode = "L" if accepts.channels == 1 else "RGB"
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._grids = {
            axes: TensorCoercion(
                Tensor(name="pixels", dtype="float32", shape=shape), subject="pixels", field="pixels"
            )
            for axes, shape in ((2, ("height", "width")), (3, ("height", "width", "channels")))
        }

    async def decode(self, data: bytes, deadline_at_s: float) -> Array:
        """Return the pixels of an encoded PNG or JPEG.

        Raises Invalid (field `image`) if it is not one or is broken, TooLarge if it has more than
        `MAX_PIXELS`, TimedOut if the deadline passes while other pictures are being decoded.
        """
        if not data:
            raise Invalid("expected a PNG or JPEG image, got nothing", field="image")
        if len(data) <= INLINE_BYTES:
            image = _open(data)
            if image.width * image.height <= INLINE_PIXELS:
                return self._read(image)
        try:
            async with asyncio.timeout_at(deadline_at_s), self._large:
                return await asyncio.to_thread(lambda: self._read(_open(data)))
        except TimeoutError as error:
            raise TimedOut("the deadline passed while the image was decoded") from error

    def pixels(self, value: Any, *, scaled: bool) -> Array:
        """Return numbers [height, width] or [height, width, channels] as the model's pixels.

        They are of 0 to 255, or already multiplied by the model's scale when `scaled`. Raises Invalid
        (field `pixels`) for anything else, TooLarge beyond `MAX_PIXELS`.
        """
        array = self._grid(value)
        highest = 255 * self._accepts.scale if scaled else 255.0
        _check_values(array, highest)
        array = self._with_channels(array)
        accepts = self._accepts
        if array.shape[:2] != (accepts.height, accepts.width):
            array = _resize(array, accepts.width, accepts.height)
        return (array if scaled else array * np.float32(accepts.scale))[None]

    def _grid(self, value: Any) -> Array:
        shape = value.shape if isinstance(value, np.ndarray) else nesting.shape_of(value)
        if len(shape) not in self._grids:
            raise Invalid(
                f"pixels: expected shape [height, width] or [height, width, channels], got {list(shape)}",
                field="pixels",
            )
        array = self._grids[len(shape)](value)
        if not array.size or (array.ndim == 3 and array.shape[2] not in {1, 3}):
            raise Invalid(
                f"pixels: expected at least one pixel of 1 or 3 channels, got shape {list(array.shape)}",
                field="pixels",
            )
        if array.shape[0] * array.shape[1] > MAX_PIXELS:
            raise TooLarge(f"expected at most {MAX_PIXELS} pixels", field="pixels")
        return array if array.ndim == 3 else array[..., None]

    def _with_channels(self, array: Array) -> Array:
        if array.shape[2] == self._accepts.channels:
            return array
        if self._accepts.channels == 1:
            return (array @ _LUMA)[..., None]
        return np.repeat(array, 3, axis=2)

    def _read(self, image: Image.Image) -> Array:
        """Decode; whatever a decoder makes of broken bytes is the picture's fault."""
        accepts = self._accepts
        try:
            # A JPEG can be decoded at a fraction of its size, in a fraction of the time and memory.
            image.draft(self._mode, (_JPEG_MARGIN * accepts.width, _JPEG_MARGIN * accepts.height))
            upright = ImageOps.exif_transpose(image)
            small = _opaque(upright, self._mode)
            if small.size != (accepts.width, accepts.height):
                small = small.resize((accepts.width, accepts.height), Image.Resampling.BILINEAR)
        except (ServiceError, MemoryError):
            raise
        except Exception as error:
            raise Invalid("the image is broken or cut off", field="image") from error
        pixels = np.asarray(small, np.float32) * np.float32(accepts.scale)
        return pixels.reshape(1, accepts.height, accepts.width, accepts.channels)


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:
        raise Invalid("expected a PNG or JPEG image, got something else", field="image") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    return image


def _opaque(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in `mode`, transparency laid on black, 16-bit greys brought down to 8."""
    if image.mode.startswith("I"):
        # Pillow would cut 16-bit values off at 255.
        image = Image.fromarray((np.asarray(image).astype(np.float32) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer).convert("RGB")
    return image.convert(mode)


def _resize(array: Array, width: int, height: int) -> Array:
    """Resize each channel as Pillow does, without rounding to whole greys."""
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(array[..., channel])).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        for channel in range(array.shape[2])
    ]
    return np.stack(channels, axis=2)


def _check_values(array: Array, highest: float) -> None:
    # A little more than the limit: what was scaled in another precision may end just above it.
    wrong = ~((array >= -1e-6 * highest) & (array <= highest * (1 + 1e-6)))
    if wrong.any():
        at = np.argwhere(wrong)[0]
        position = "".join(f"[{index}]" for index in at)
        raise Invalid(
            f"pixels: expected values of 0 to {highest:g}, got {array[tuple(at)]:g} at {position}",
            field="pixels",
        )


def _too_many_pixels() -> TooLarge:
    return TooLarge(f"the image has more than {MAX_PIXELS} pixels", field="image")

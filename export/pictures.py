"""Copy what a run drew and wrote into the report of its bundle, within bounds.

Knows files and sizes, and nothing of what a picture shows.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

MOST = 24
"""How many pictures a report has; a run that drew more keeps the rest."""

MOST_BYTES = 400_000
"""How large a picture may be; a larger one is drawn smaller."""

TEXT_BYTES = 100_000
"""How large a text may be; of a larger one nothing is copied."""


def copy(plots: Path, report: Path) -> tuple[list[str], list[str]]:
    """Copy the pictures and texts in `plots` to `report`; returns the names of both, in alphabetical order."""
    pictures = sorted(plots.glob("*.png"))[:MOST]
    for path in pictures:
        _copy_picture(path, report / path.name)
    texts = [path for path in sorted(plots.glob("*.txt")) if path.stat().st_size <= TEXT_BYTES]
    for path in texts:
        shutil.copyfile(path, report / path.name)
    return [path.name for path in pictures], [path.name for path in texts]


def thumbnail(picture: Path, *, width: int, most_bytes: int) -> bytes:
    """Return `picture` as a PNG of at most `width` pixels and `most_bytes`, with as many colours as these allow."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image.thumbnail((width, 2 * width))
    while True:
        for colours in (64, 16):
            written = io.BytesIO()
            image.quantize(colours).save(written, "PNG", optimize=True)
            if written.tell() <= most_bytes:
                return written.getvalue()
        image.thumbnail((image.width * 3 // 4, image.height))


def _copy_picture(path: Path, target: Path) -> None:
    if path.stat().st_size <= MOST_BYTES:
        shutil.copyfile(path, target)
    else:
        target.write_bytes(thumbnail(path, width=1000, most_bytes=MOST_BYTES))

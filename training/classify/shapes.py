"""Draw pictures of coloured objects: twenty kinds, any size, place, tilt and colour, before a background of any sort.

Knows polygons and colours, nothing of models or files. Colour tells nothing of the kind: each picture draws its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FINER = 4  # objects are drawn this many times larger and scaled down, so that edges are smooth
MAIN, SECOND, HOLE = 0, 1, 2
TILT = math.radians(30)
SMALLEST, LARGEST = 0.5, 0.8
DARKEST_OBJECT, BRIGHTEST_BEHIND = 0.3, 0.6  # they overlap: brightness does not tell them apart
CONTRAST = 0.45  # least distance of an object's colours to the background's, of at most 3 ** 0.5

Points = NDArray[np.float64]
Move = tuple[float, float, float, float, float]
"""Width, height, tilt in radians, how far to the right and how far down."""
Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """A polygon [corners, 2] on the square from -1 to 1 (x to the right, y down), in one of the object's colours."""

    points: Points
    colour: int = MAIN


def polygon(*corners: float, colour: int = MAIN) -> Piece:
    """Return the piece with these corners: x, y, x, y, …"""
    return Piece(np.array(corners, np.float64).reshape(-1, 2), colour)


def oval(x: float, y: float, wide: float, high: float, colour: int = MAIN) -> Piece:
    """Return an ellipse with half axes `wide` and `high` around (x, y)."""
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return Piece(np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], axis=1), colour)


def bar(left: float, top: float, right: float, bottom: float, colour: int = MAIN) -> Piece:
    """Return a rectangle."""
    return polygon(left, top, right, top, right, bottom, left, bottom, colour=colour)


def star(corners: int, inner: float) -> Piece:
    """Return a star whose inner corners are `inner` away from the middle."""
    angles = np.arange(2 * corners) * math.pi / corners - math.pi / 2
    away = np.where(np.arange(2 * corners) % 2, inner, 1.0)
    return Piece(np.stack([away * np.cos(angles), away * np.sin(angles)], axis=1))


def around(count: int, away: float, size: float) -> tuple[Piece, ...]:
    """Return `count` discs of radius `size` in a circle."""
    angles = np.arange(count) * 2 * math.pi / count
    return tuple(oval(away * math.cos(angle), away * math.sin(angle), size, size) for angle in angles)


OBJECTS: Mapping[str, tuple[Piece, ...]] = {
    "ball": (oval(0, 0, 0.9, 0.9), bar(-0.9, -0.2, 0.9, 0.2, SECOND)),
    "boat": (
        polygon(-1, 0.3, 1, 0.3, 0.6, 0.9, -0.6, 0.9),
        polygon(-0.05, -1, 0.8, 0.15, -0.05, 0.15, colour=SECOND),
    ),
    "cup": (oval(0.6, -0.05, 0.42, 0.45), oval(0.6, -0.05, 0.2, 0.24, HOLE), bar(-0.8, -0.7, 0.5, 0.8)),
    "fish": (polygon(0.3, 0, 1, -0.6, 1, 0.6, colour=SECOND), oval(-0.2, 0, 0.75, 0.5), oval(-0.6, -0.12, 0.12, 0.12, SECOND)),
    "flower": (*around(6, 0.62, 0.36), oval(0, 0, 0.34, 0.34, SECOND)),
    "house": (bar(-0.75, -0.1, 0.75, 0.9), polygon(-1, -0.1, 0, -1, 1, -0.1, colour=SECOND), bar(-0.2, 0.35, 0.2, 0.9, SECOND)),
    "mushroom": (bar(-0.25, 0, 0.25, 0.9, SECOND), polygon(-0.95, 0.1, -0.8, -0.45, -0.4, -0.8, 0, -0.9, 0.4, -0.8, 0.8, -0.45, 0.95, 0.1)),
    "ring": (oval(0, 0, 0.9, 0.9), oval(0, 0, 0.5, 0.5, HOLE)),
    "star": (star(5, 0.42),),
    "tree": (bar(-0.17, 0.3, 0.17, 1, SECOND), polygon(-0.85, 0.5, 0, -1, 0.85, 0.5)),
}  # fmt: skip
"""The ten kinds that are to be told apart."""

OTHERS: Mapping[str, tuple[Piece, ...]] = {
    "arrow": (bar(-0.95, -0.2, 0.2, 0.2), polygon(0.1, -0.7, 1, 0, 0.1, 0.7)),
    "butterfly": (oval(-0.5, -0.35, 0.45, 0.5), oval(0.5, -0.35, 0.45, 0.5), oval(-0.4, 0.45, 0.35, 0.38), oval(0.4, 0.45, 0.35, 0.38), bar(-0.1, -0.8, 0.1, 0.8, SECOND)),
    "car": (bar(-1, -0.1, 1, 0.4), polygon(-0.6, -0.1, -0.35, -0.6, 0.4, -0.6, 0.65, -0.1), oval(-0.5, 0.45, 0.26, 0.26, SECOND), oval(0.5, 0.45, 0.26, 0.26, SECOND)),
    "cross": (bar(-0.28, -0.95, 0.28, 0.95), bar(-0.95, -0.28, 0.95, 0.28)),
    "hourglass": (polygon(-0.8, -0.95, 0.8, -0.95, 0.1, 0, 0.8, 0.95, -0.8, 0.95, -0.1, 0),),
    "key": (oval(-0.55, 0, 0.42, 0.42), oval(-0.55, 0, 0.2, 0.2, HOLE), bar(-0.2, -0.12, 1, 0.12), bar(0.55, 0.1, 0.7, 0.45), bar(0.82, 0.1, 0.97, 0.45)),
    "ladder": (bar(-0.6, -1, -0.4, 1), bar(0.4, -1, 0.6, 1), *(bar(-0.5, y, 0.5, y + 0.16, SECOND) for y in (-0.75, -0.25, 0.25, 0.7))),
    "moon": (oval(0, 0, 0.95, 0.95), oval(0.45, -0.1, 0.8, 0.8, HOLE)),
    "snowman": (oval(0, 0.45, 0.55, 0.55), oval(0, -0.3, 0.38, 0.38), bar(-0.35, -1, 0.35, -0.6, SECOND)),
    "umbrella": (polygon(-1, 0, -0.85, -0.5, -0.45, -0.85, 0, -0.95, 0.45, -0.85, 0.85, -0.5, 1, 0), bar(-0.07, 0, 0.07, 0.9, SECOND), bar(-0.07, 0.76, 0.35, 0.92, SECOND)),
}  # fmt: skip
"""Ten more, for a model to learn to see with before it is shown the others."""


def pictures(
    kinds: Sequence[tuple[Piece, ...]],
    classes: NDArray[np.integer],
    side: int,
    generator: np.random.Generator,
) -> Pixels:
    """Draw a picture of `kinds[each]` for each of `classes` [count]; returns [count, side, side, 3] in 0 to 1."""
    return np.stack([picture(kinds[each], side, generator) for each in classes])


def picture(
    pieces: Sequence[Piece], side: int, generator: np.random.Generator, size: float | None = None
) -> Pixels:
    """Draw one object once, as chance has it: [side, side, 3] in 0 to 1.

    `size` is half the object's side as a share of half the picture's, from `SMALLEST` to `LARGEST`; chance has it too
    if it is None.
    """
    behind = background(side, generator)
    seen = behind.mean(axis=(0, 1))
    main = colour_unlike(seen, generator=generator)
    second = colour_unlike(seen, main, generator=generator)
    size = generator.uniform(SMALLEST, LARGEST) if size is None else size
    shade, cover = _draw(pieces, (main, second), side, _chance_move(size, generator))
    noise = generator.normal(0, generator.uniform(0.01, 0.06), behind.shape)
    return np.clip(behind * (1 - cover) + shade * cover + noise, 0, 1).astype(np.float32)


def colour_unlike(*others: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return a colour that differs from each of `others` [3]; the most different of many if none does enough."""
    drawn = generator.uniform(DARKEST_OBJECT, 1, (64, 3))
    apart = np.min([np.linalg.norm(drawn - other, axis=1) for other in others], axis=0)
    enough = np.flatnonzero(apart >= CONTRAST)
    chosen: NDArray[np.float64] = drawn[enough[0] if len(enough) else apart.argmax()]
    return chosen


def background(side: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return one colour, a slope between two, stripes or blotches: [side, side, 3]."""
    first = generator.random(3)
    second = np.clip(first + generator.uniform(-0.3, 0.3, 3), 0, 1)
    across, down = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    angle = generator.uniform(0, 2 * math.pi)
    along = across * math.cos(angle) + down * math.sin(angle)
    match generator.integers(4):
        case 0:
            share = np.zeros((side, side))
        case 1:
            share = (along + 1.5) / 3
        case 2:
            share = (np.sin(along * generator.uniform(6, 14)) + 1) / 2
        case _:
            blotches = Image.fromarray(generator.integers(0, 256, (5, 5), np.uint8))
            share = np.asarray(blotches.resize((side, side), Image.Resampling.BICUBIC), np.float64) / 255
    return BRIGHTEST_BEHIND * np.clip(first + np.clip(share, 0, 1)[..., None] * (second - first), 0, 1)


def _draw(
    pieces: Sequence[Piece],
    colours: Sequence[NDArray[np.float64]],
    side: int,
    move: Move,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the object's colours [side, side, 3] and how much of each pixel it covers [side, side, 1]."""
    size = side * FINER
    shade, cover = Image.new("RGB", (size, size)), Image.new("L", (size, size))
    on_shade, on_cover = ImageDraw.Draw(shade), ImageDraw.Draw(cover)
    for piece in pieces:
        corners = [(float(x), float(y)) for x, y in (_placed(piece.points, move) + 1) * size / 2]
        hole = piece.colour == HOLE
        red, green, blue = (0, 0, 0) if hole else (int(255 * value) for value in colours[piece.colour])
        on_shade.polygon(corners, fill=(red, green, blue))
        on_cover.polygon(corners, fill=0 if hole else 255)
    covered = np.asarray(cover.resize((side, side), Image.Resampling.BOX), np.float64)[..., None] / 255
    # Where the object ends its colour is mixed with black: undone, or it would have a dark rim.
    mixed = np.asarray(shade.resize((side, side), Image.Resampling.BOX), np.float64) / 255
    return np.minimum(mixed / np.maximum(covered, 1 / 255), 1), covered


def _placed(points: Points, move: Move) -> Points:
    """Return the corners scaled, tilted and moved; a negative width mirrors."""
    width, height, tilt, right, down = move
    x, y = points[:, 0] * width, points[:, 1] * height
    turned = (x * math.cos(tilt) - y * math.sin(tilt) + right, x * math.sin(tilt) + y * math.cos(tilt) + down)
    return np.stack(turned, axis=1)


def _chance_move(size: float, generator: np.random.Generator) -> Move:
    stretch = generator.uniform(0.88, 1.12)
    mirror = generator.choice((-1.0, 1.0))
    room = 0.9 - size
    right, down = generator.uniform(-room, room, 2)
    return mirror * size * stretch, size / stretch, generator.uniform(-TILT, TILT), right, down

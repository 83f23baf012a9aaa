"""Look at nested lists: their shape, where they are uneven, where an element is not what it should be.

Only used to explain what is wrong, so that the way to an array stays free of loops. Knows no tensor and no field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, compress, count
from typing import Any

MAX_DEPTH = 32
_LISTS = frozenset({list, tuple})


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape that the first elements have; of deeper nesting than `MAX_DEPTH` only so much."""
    sizes: list[int] = []
    while isinstance(value, list | tuple) and len(sizes) < MAX_DEPTH:
        sizes.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def unevenness(value: Any, shape: tuple[int, ...]) -> str | None:
    """Say where nested lists depart from `shape`, outer levels first, or return None if they nowhere do."""
    level = [value]
    for depth, size in enumerate(shape):
        wrong = _first(map(_LISTS.__contains__, map(type, level)), False)
        if wrong is not None:
            return f"{_place(wrong, shape[:depth])} is {kind_of(level[wrong])}, expected a list of {size}"
        wrong = _first(map(size.__eq__, map(len, level)), False)
        if wrong is not None:
            return f"{_place(wrong, shape[:depth])} has {len(level[wrong])} elements, expected {size}"
        level = list(chain.from_iterable(level))
    wrong = _first(map(_LISTS.__contains__, map(type, level)), True)
    return None if wrong is None else f"{_place(wrong, shape)} is a list, expected an element"


def first_element(value: Any, shape: tuple[int, ...], wrong: Callable[[Any], bool]) -> tuple[str, Any] | None:
    """Return position, written `[0][2]`, and value of the first element of even lists that is `wrong`."""
    leaves = [value]
    for _ in shape:
        leaves = list(chain.from_iterable(leaves))
    at = _first(map(wrong, leaves), True)
    return None if at is None else (_place(at, shape), leaves[at])


def _first(flags: Iterable[bool], flag: bool) -> int | None:
    """Return where `flag` first is; millions of elements are looked at without a loop of our own."""
    return next(compress(count(), map(flag.__eq__, flags)), None)


def _place(index: int, shape: tuple[int, ...]) -> str:
    """Return the position of element `index` of even lists of `shape`."""
    parts = []
    for size in reversed(shape):
        index, part = divmod(index, size)
        parts.append(f"[{part}]")
    return "".join(reversed(parts))


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    for kinds, words in _KINDS:
        if isinstance(value, kinds):
            return words
    return f"a {type(value).__name__}"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    ((list, tuple), "a list"),
    (dict, "an object"),
)

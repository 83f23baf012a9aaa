"""Look at nested lists: their shape, where they are uneven, where an element is not what it should be.

Only used to explain what is wrong, so that the way to an array stays free of loops. Knows no tensor and no field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MAX_DEPTH = 32


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape that the first elements have; of deeper nesting than `MAX_DEPTH` only so much."""
    sizes: list[int] = []
    while isinstance(value, list | tuple) and len(sizes) < MAX_DEPTH:
        sizes.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def unevenness(value: Any, shape: tuple[int, ...], at: str = "") -> str | None:
    """Say where nested lists first depart from `shape`, or return None if they nowhere do."""
    if not isinstance(value, list | tuple):
        return f"{at} is {kind_of(value)}, expected a list of {shape[0]}" if shape else None
    if not shape:
        return f"{at} is a list, expected an element"
    if len(value) != shape[0]:
        return f"{at} has {len(value)} elements, expected {shape[0]}"
    inner = shape[1:]
    for position, part in enumerate(value):
        found = unevenness(part, inner, f"{at}[{position}]")
        if found is not None:
            return found
    return None


def elements(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every element with its position, written `[0][2]`."""
    if isinstance(value, list | tuple):
        for position, part in enumerate(value):
            yield from elements(part, f"{at}[{position}]")
    else:
        yield at, value


def first_element(value: Any, wrong: Callable[[Any], bool]) -> tuple[str, Any] | None:
    """Return position and value of the first element that is `wrong`, or None."""
    return next(((at, element) for at, element in elements(value) if wrong(element)), None)


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

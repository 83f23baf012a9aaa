"""Decide what leaves the cache so that something new fits: what was not used for longest, never what is held.

A pure function of sizes and times. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tree:
    """A version in the cache: which blobs it is made of, when it was last used, and whether somebody holds it."""

    name: str
    blobs: frozenset[str]
    used_at_s: float
    held: bool


@dataclass(frozen=True, slots=True)
class Victims:
    """What is to go."""

    trees: tuple[str, ...]
    blobs: frozenset[str]


def choose(
    trees: Sequence[Tree], sizes: Mapping[str, int], wanted: Mapping[str, int], limit_bytes: int
) -> Victims | None:
    """Return what goes so that what stays and `wanted` take `limit_bytes` at most; None if that cannot be.

    `sizes` has every blob of the cache, those of no tree too: they go first, unless they are wanted. Then go the trees
    that are not held, each with the blobs that no other has, the one that was not used for longest first.
    """
    staying = sorted(trees, key=lambda tree: (tree.held, tree.used_at_s), reverse=True)
    going: list[str] = []
    everything = {**wanted, **sizes}
    kept = set(everything)
    while sum(everything[blob] for blob in kept) > limit_bytes:
        needed = set(wanted).union(*(tree.blobs for tree in staying))
        if kept - needed:
            kept &= needed
        elif staying and not staying[-1].held:
            going.append(staying.pop().name)
        else:
            return None
    return Victims(tuple(going), frozenset(sizes.keys() - kept))

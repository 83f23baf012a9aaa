"""Which words lie near one another, and what is to one as two others are to each other.

Pure functions of a table of vectors [words, width]; knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.predict.relations import Pair

Vectors = NDArray[np.floating]


def normed(table: Vectors) -> Vectors:
    """Return vectors of length 1; one of length 0 stays as it is."""
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.where(lengths > 0, lengths, 1))


def nearest(table: Vectors, wanted: Vectors, without: Sequence[int], count: int) -> list[int]:
    """Return the `count` words whose vectors have the largest cosine with `wanted` [width], but for those `without`."""
    similarity = normed(table) @ wanted
    similarity[list(without)] = -np.inf
    return [int(place) for place in np.argsort(-similarity, kind="stable")[:count]]


def found_pairs(table: Vectors, ids: dict[str, int], pairs: Sequence[Pair], count: int) -> float:
    """Return the share of words of `pairs` whose other word is among their `count` nearest."""
    hits = []
    for pair in pairs:
        for word, other in ((pair.first, pair.second), (pair.second, pair.first)):
            near = nearest(table, normed(table)[ids[word]], [ids[word]], count)
            hits.append(ids[other] in near)
    return float(np.mean(hits))


def of_one_kind(table: Vectors, ids: dict[str, int], pairs: Sequence[Pair], count: int) -> float:
    """Return the share of the `count` nearest of each word of `pairs` that stand on its own side of them."""
    shares = []
    for side in ([pair.first for pair in pairs], [pair.second for pair in pairs]):
        places = {ids[word] for word in side}
        for place in places:
            near = nearest(table, normed(table)[place], [place], count)
            shares.append(len(places.intersection(near)) / count)
    return float(np.mean(shares))


def solved_analogies(table: Vectors, ids: dict[str, int], pairs: Sequence[Pair]) -> float:
    """Return the share of all a:b = c:d of two `pairs` where d is the nearest to b - a + c of all but these three."""
    unit, hits = normed(table), []
    for one in pairs:
        for other in pairs:
            if one is not other:
                a, b, c, d = (ids[word] for word in (one.first, one.second, other.first, other.second))
                hits.append(nearest(table, unit[b] - unit[a] + unit[c], [a, b, c], 1) == [d])
    return float(np.mean(hits))

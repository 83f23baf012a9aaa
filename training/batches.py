"""Batches of token sequences in pairs: padded to the right, and of like length, so that little is padding.

Knows ids and lengths; knows nothing of what they mean. Id 0 is padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.steady import steady

PAD = 0

Pair = tuple[Sequence[int], Sequence[int]]
Batch = tuple[dict[str, NDArray[np.int32]], NDArray[np.int32]]
"""`source` and `target`, which lacks its last id, and the labels, which are the target without its first."""


def padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """Return rows of ids as one array, padded to the right."""
    array = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int32)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row
    return array


def arranged(pairs: Sequence[Pair], batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield every pair once, in batches of like length and random order."""
    noise = rng.random(len(pairs)) * 2
    length = [len(source) + len(target) for source, target in pairs]
    order = np.argsort(np.asarray(length) + noise)
    groups = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    for index in rng.permutation(len(groups)):
        chosen = [pairs[one] for one in groups[index]]
        target = padded([pair[1] for pair in chosen])
        yield {"source": padded([pair[0] for pair in chosen]), "target": target[:, :-1]}, target[:, 1:]


def endless(pairs: Sequence[Pair], batch_size: int, rng: np.random.Generator) -> tf.data.Dataset:
    """Return batches of all pairs again and again."""

    def draw() -> Iterator[Batch]:
        while True:
            yield from arranged(pairs, batch_size, rng)

    return _dataset(draw)


def once(pairs: Sequence[Pair], batch_size: int, rng: np.random.Generator) -> tf.data.Dataset:
    """Return the batches of all pairs, the same every time."""
    known = list(arranged(pairs, batch_size, rng))
    return _dataset(lambda: iter(known)).apply(tf.data.experimental.assert_cardinality(len(known)))


def _dataset(draw: Callable[[], Iterator[Batch]]) -> tf.data.Dataset:
    spec = tf.TensorSpec((None, None), tf.int32)
    signature = ({"source": spec, "target": spec}, spec)
    return steady(tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(4))

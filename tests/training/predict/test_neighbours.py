"""Near words and analogies, on tables made by hand."""

import numpy as np
import pytest

from training.predict import neighbours
from training.predict.relations import Pair

IDS = {"man": 0, "woman": 1, "king": 2, "queen": 3, "boat": 4}
TABLE = np.array([[1.0, 0, 1], [1, 1, 1], [5, 0, 0], [5, 4, 0], [-1, 0, 3]])
PAIRS = (Pair("man", "woman", ()), Pair("king", "queen", ()))


def test_the_nearest_have_the_largest_cosine_whatever_their_length() -> None:
    unit = neighbours.normed(TABLE)
    assert neighbours.nearest(TABLE, unit[2], [2], 2) == [3, 0]
    assert neighbours.nearest(TABLE * [[1], [9], [1], [1], [1]], unit[2], [2], 4) == [3, 0, 1, 4]


def test_pairs_are_counted_both_ways() -> None:
    assert neighbours.found_pairs(TABLE, IDS, PAIRS, 1) == pytest.approx(0.75)
    assert neighbours.found_pairs(TABLE, IDS, PAIRS, 4) == 1.0


def test_analogies_are_solved_by_the_nearest_but_the_three() -> None:
    """With the vectors of queen and boat exchanged, only woman is still found."""
    assert neighbours.solved_analogies(TABLE, IDS, PAIRS) == 1.0
    assert neighbours.solved_analogies(TABLE[[0, 1, 2, 4, 3]], IDS, PAIRS) == 0.5


def test_a_kind_is_counted_among_the_nearest() -> None:
    places = np.array([[1.0, 0], [0, 1], [1, 0.1], [0.1, 1]])
    ids = {"italy": 0, "rome": 1, "france": 2, "paris": 3}
    pairs = (Pair("italy", "rome", ()), Pair("france", "paris", ()))
    assert neighbours.of_one_kind(places, ids, pairs, 1) == 1.0
    assert neighbours.of_one_kind(places[[0, 2, 1, 3]], ids, pairs, 1) == 0.0


def test_a_vector_of_zeros_is_near_nothing() -> None:
    assert neighbours.normed(np.zeros((1, 3))).tolist() == [[0, 0, 0]]

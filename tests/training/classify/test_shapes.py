"""Drawn objects: what is the same in all of them, and what is not."""

import numpy as np
import pytest

from training.classify import shapes


def test_pictures_are_in_colour_between_0_and_1_and_the_same_for_the_same_seed() -> None:
    kinds, classes = list(shapes.OBJECTS.values()), np.arange(10)
    first, second = (shapes.pictures(kinds, classes, 24, np.random.default_rng(3)) for _ in range(2))
    assert (first.shape, first.dtype) == ((10, 24, 24, 3), np.float32)
    assert 0 <= first.min() < first.max() <= 1
    np.testing.assert_array_equal(first, second)


def test_the_kinds_to_be_told_apart_are_none_of_those_to_learn_from() -> None:
    assert len(shapes.OBJECTS) == len(shapes.OTHERS) == 10
    assert not shapes.OBJECTS.keys() & shapes.OTHERS.keys()


@pytest.mark.parametrize("name", [*shapes.OBJECTS, *shapes.OTHERS])
def test_an_object_fits_its_square_and_is_seen_before_its_background(name: str) -> None:
    pieces = {**shapes.OBJECTS, **shapes.OTHERS}[name]
    assert all(np.abs(piece.points).max() <= 1.05 for piece in pieces if piece.colour != shapes.HOLE)
    picture = shapes.picture(pieces, 48, np.random.default_rng(5))
    corners = picture[[0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=0)
    apart = np.linalg.norm(picture - corners, axis=2)
    assert 0.03 < (apart > 0.3).mean() < 0.8


def test_colours_keep_their_distance_where_they_can() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        others = generator.random((2, 3))
        drawn = shapes.colour_unlike(*others, generator=generator)
        assert np.linalg.norm(drawn - others, axis=1).min() >= shapes.CONTRAST


def test_a_hole_shows_what_is_behind() -> None:
    disc, ring = (shapes.oval(0, 0, 0.9, 0.9),), shapes.OBJECTS["ring"]
    for seed in range(5):
        full, hollow = (shapes.picture(each, 32, np.random.default_rng(seed)) for each in (disc, ring))
        changed = np.abs(full - hollow).max(axis=2) > 0.1
        assert 0.02 < changed.mean() < 0.5

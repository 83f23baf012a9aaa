"""Batches of pairs: every pair once, of like length, padded to the right."""

import numpy as np

from training import batches

PAIRS = [([4] * length, [2, *[5] * length, 3]) for length in (1, 9, 2, 8, 1, 9, 2, 8)]


def test_rows_are_padded_on_the_right() -> None:
    assert batches.padded([[1, 2, 3], [4]]).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert batches.padded([]).shape == (0, 0)


def test_batches_are_of_like_length_and_hold_every_pair_once() -> None:
    seen = 0
    for inputs, labels in batches.arranged(PAIRS, 4, np.random.default_rng(1)):
        seen += len(labels)
        assert inputs["target"].shape == labels.shape
        assert (inputs["target"][:, 1:] == labels[:, :-1])[labels[:, 1:] != 0].all()
        assert np.ptp((inputs["source"] != 0).sum(axis=1)) <= 2
    assert seen == 8


def test_validation_is_the_same_every_time_and_training_has_no_end() -> None:
    rng = np.random.default_rng(1)
    known = batches.once(PAIRS, 3, rng)
    first, second = ([labels.numpy().tolist() for _, labels in known] for _ in range(2))
    assert first == second
    assert len(first) == len(known) == 3
    endless = batches.endless(PAIRS, 3, rng).take(7)
    assert sum(len(labels) for _, labels in endless) == 8 + 8 + 3

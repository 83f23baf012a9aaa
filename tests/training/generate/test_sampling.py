"""Ways to draw, and what is a repetition."""

import numpy as np
import pytest

from training.generate.sampling import Way, repetition, variety

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Way(), [0.1, 0.4, 0.2, 0.3]),
        (Way(0), [0, 1, 0, 0]),
        (Way(0.5), [1 / 30, 16 / 30, 4 / 30, 9 / 30]),
        (Way(top_k=2), [0, 4 / 7, 0, 3 / 7]),
        (Way(top_k=9), [0.1, 0.4, 0.2, 0.3]),
        (Way(top_p=0.3), [0, 1, 0, 0]),
        (Way(top_p=0.6), [0, 4 / 7, 0, 3 / 7]),
        (Way(top_p=0.75), [0, 4 / 9, 2 / 9, 3 / 9]),
        (Way(top_k=3, top_p=0.7), [0, 4 / 7, 0, 3 / 7]),
    ],
)  # fmt: skip
def test_what_is_cut_off_has_no_share_and_the_rest_keeps_its_ratios(way: Way, expected: list[float]) -> None:
    np.testing.assert_allclose(way.probabilities(LOGITS), expected, atol=1e-12)


def test_draws_are_as_frequent_as_their_probabilities() -> None:
    rng = np.random.default_rng(0)
    drawn = [Way(top_k=3).draw(LOGITS, rng) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [0, 4 / 9, 2 / 9, 3 / 9], atol=0.03)


@pytest.mark.parametrize(
    ("text", "repeated", "different"),
    [
        ("", 0.0, 0.0),
        ("one two three", 0.0, 1.0),
        ("one two three four five", 0.0, 1.0),
        ("a b c d a b c d", 0.2, 0.5),
        ("no no no no no no", 2 / 3, 1 / 6),
    ],
)
def test_repetition_counts_runs_of_four_words(text: str, repeated: float, different: float) -> None:
    assert repetition(text) == pytest.approx(repeated)
    assert variety(text) == pytest.approx(different)

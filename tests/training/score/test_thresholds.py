"""Ways to choose a threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.score import thresholds

SCORES = np.array([1.0, 2, 3, 4, 5, 6])


def test_deviations_are_counted_from_the_mean() -> None:
    assert thresholds.of_deviations(SCORES, 0) == 3.5
    assert thresholds.of_deviations(SCORES, 2) == pytest.approx(3.5 + 2 * SCORES.std())


def test_a_quantile_leaves_so_many_above_it() -> None:
    assert (thresholds.of_quantile(np.arange(1000.0), 0.95) < np.arange(1000)).mean() == pytest.approx(0.05)


def test_the_best_f1_parts_what_can_be_parted() -> None:
    truth = np.array([False, False, False, False, True, True])
    assert thresholds.of_best_f1(SCORES, truth) == 4.5
    assert thresholds.f1(SCORES, truth, 4.5) == 1.0
    assert thresholds.f1(SCORES, truth, 3.5) == pytest.approx(0.8)
    assert thresholds.f1(SCORES, ~(SCORES > 0), 9.0) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1).filter(
        lambda rows: any(t for _, t in rows)
    )
)
def test_no_other_cut_has_a_better_f1(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in rows], np.float32)
    truth = np.array([anomalous for _, anomalous in rows])
    chosen = thresholds.f1(scores, truth, thresholds.of_best_f1(scores, truth))
    assert all(thresholds.f1(scores, truth, cut) <= chosen + 1e-12 for cut in np.arange(-1, 7, 0.5))

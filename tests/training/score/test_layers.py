"""Scaling and verdict, by hand-sized numbers."""

import numpy as np
import pytest

from training.score.layers import Scaling, Verdict


def test_scaling_takes_features_to_mean_0_and_deviation_1_and_back() -> None:
    rows = np.array([[1.0, 100.0], [3.0, 300.0]], dtype=np.float32)
    scaling = Scaling()
    scaling.build((None, 2))
    scaling.measure(rows)
    scaled = scaling(rows)
    np.testing.assert_allclose(scaled, [[-1, -1], [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(scaling(scaled, back=True), rows, rtol=1e-6)


def test_a_feature_that_never_varies_does_not_divide_by_zero() -> None:
    scaling = Scaling()
    scaling.build((None, 1))
    scaling.measure(np.full((3, 1), 7.0))
    np.testing.assert_allclose(scaling(np.array([[9.0]], dtype=np.float32)), [[2.0]])


@pytest.mark.parametrize(("threshold", "anomaly"), [(6.4, True), (6.6, False)])
def test_contributions_are_errors_in_units_of_the_usual_one_and_add_up(
    threshold: float, anomaly: bool
) -> None:
    verdict = Verdict()
    verdict.build((None, 2))
    verdict.residual.assign([1.0, 0.5])
    verdict.threshold.assign(threshold)
    outputs = verdict(np.array([[3.0, 1.0]], dtype=np.float32), np.array([[0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(outputs["contributions"], [[4.5, 2.0]])
    np.testing.assert_allclose(outputs["score"], [6.5])
    np.testing.assert_allclose(outputs["threshold"], [threshold], rtol=1e-6)
    assert outputs["is_anomaly"].numpy().tolist() == [anomaly]

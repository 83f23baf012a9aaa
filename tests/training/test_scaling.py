"""Scaling by hand-sized numbers."""

import numpy as np

from training.scaling import Scaling


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

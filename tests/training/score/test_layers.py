"""The verdict, by hand-sized numbers."""

import numpy as np
import pytest

from training.score.layers import Verdict


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

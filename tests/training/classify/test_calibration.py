"""The calibration error of probabilities whose truth is known."""

import numpy as np
import pytest

from training.classify import calibration


def test_confidence_that_is_always_right_has_no_error() -> None:
    found = calibration.bins(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
    assert calibration.error(found) == 0.0


def test_the_error_is_how_far_confidence_is_from_the_share_that_is_right() -> None:
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    classes = np.array(
        [0, 0, 1, 1, 0, 0, 0, 1]
    )  # half of the sure ones are right, three of four of the others
    found = calibration.bins(probabilities, classes)
    assert calibration.points(found) == [(pytest.approx(0.6), 0.75), (pytest.approx(0.9), 0.5)]
    assert calibration.error(found) == pytest.approx(0.5 * 0.15 + 0.5 * 0.4)

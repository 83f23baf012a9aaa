"""What is measured after training, and that it can be measured again."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.score import rows
from training.score.tumour_autoencoder import JOB, TumourSettings, build, calibrate


@pytest.fixture
def untrained(tmp_path: Path) -> tuple[keras.Model, rows.Rows]:
    data = rows.read(None)
    JOB.save_assets(TumourSettings(), data, tmp_path)
    model = build(TumourSettings(), tmp_path)
    model.get_layer("scaling").measure(data.train)
    return model, data


def test_the_threshold_is_the_mean_and_two_deviations_of_training_scores(untrained) -> None:
    model, data = untrained
    calibrate(model, data, deviations=2.0)
    outputs = model.predict(data.train, verbose=0)
    expected = outputs["score"].mean() + 2 * outputs["score"].std()
    np.testing.assert_allclose(outputs["threshold"], expected, rtol=1e-5)


def test_a_normal_row_scores_about_one(untrained) -> None:
    model, data = untrained
    calibrate(model, data, deviations=2.0)
    known = np.concatenate([data.train, data.validation])
    contributions = model.predict(known, verbose=0)["contributions"]
    np.testing.assert_allclose(contributions.mean(axis=0) * 30, 1.0, rtol=1e-4)


def test_measuring_twice_changes_nothing(untrained) -> None:
    """A run that was killed after it measured, and is continued, measures again."""
    model, data = untrained
    calibrate(model, data, deviations=2.0)
    first = model.get_weights()
    calibrate(model, data, deviations=2.0)
    for one, other in zip(first, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_shapes_are_those_that_score_needs(untrained) -> None:
    model, data = untrained
    outputs = model.predict(data.held_out_normal[:3], verbose=0)
    assert {name: value.shape for name, value in outputs.items()} == {
        "score": (3,), "is_anomaly": (3,), "threshold": (3,), "contributions": (3, 30), "reconstruction": (3, 30),
    }  # fmt: skip
    assert outputs["is_anomaly"].dtype == np.bool_

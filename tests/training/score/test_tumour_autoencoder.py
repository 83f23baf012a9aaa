"""What is measured after training, and that it can be measured again."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from training.score import rows
from training.score.tumour_autoencoder import JOB, TumourSettings, build, calibrate, choices


@pytest.fixture
def untrained(tmp_path: Path) -> tuple[keras.Model, rows.Rows]:
    data = rows.read(None)
    JOB.save_assets(TumourSettings(), data, tmp_path)
    model = build(TumourSettings(), tmp_path)
    model.get_layer("scaling").measure(data.train)
    return model, data


def test_the_threshold_is_the_mean_and_two_deviations_of_training_scores(untrained) -> None:
    model, data = untrained
    calibrate(model, data, TumourSettings())
    outputs = model.predict(data.train, verbose=0)
    expected = outputs["score"].mean() + 2 * outputs["score"].std()
    np.testing.assert_allclose(outputs["threshold"], expected, rtol=1e-5)


def test_a_normal_row_scores_about_one(untrained) -> None:
    model, data = untrained
    calibrate(model, data, TumourSettings())
    known = np.concatenate([data.train, data.validation])
    contributions = model.predict(known, verbose=0)["contributions"]
    np.testing.assert_allclose(contributions.mean(axis=0) * 30, 1.0, rtol=1e-4)


def test_measuring_twice_changes_nothing(untrained) -> None:
    """A run that was killed after it measured, and is continued, measures again."""
    model, data = untrained
    calibrate(model, data, TumourSettings())
    first = model.get_weights()
    calibrate(model, data, TumourSettings())
    for one, other in zip(first, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_shapes_are_those_that_score_needs(untrained) -> None:
    model, data = untrained
    outputs = model.predict(data.held_out[:3], verbose=0)
    assert {name: value.shape for name, value in outputs.items()} == {
        "score": (3,), "is_anomaly": (3,), "threshold": (3,), "contributions": (3, 30), "reconstruction": (3, 30),
    }  # fmt: skip
    assert outputs["is_anomaly"].dtype == np.bool_


def test_each_choice_of_a_threshold_is_what_the_model_says(untrained) -> None:
    model, _ = untrained
    data = rows.read(None, known=0.3)
    for choice in ("deviations", "quantile", "f1"):
        settings = TumourSettings(threshold=choice, quantile=0.9)
        calibrate(model, data, settings)
        found = choices(model, data, settings)
        threshold = model.predict(data.train[:2], verbose=0)["threshold"]
        np.testing.assert_allclose(threshold, found[choice], rtol=1e-6)
    above = model.predict(data.train, verbose=0)["score"] > found["quantile"]
    assert above.mean() == pytest.approx(0.1, abs=0.01)
    assert len(set(found.values())) == 3


def test_a_stream_without_labels_has_alarms_and_a_picture_alone(untrained, tmp_path: Path) -> None:
    model, data = untrained
    calibrate(model, data, TumourSettings())
    metrics = JOB.evaluate(model, TumourSettings(), replace(data, anomalous=None), tmp_path)
    assert metrics.keys() == {"alarms", "threshold"}
    assert {path.name for path in tmp_path.glob("*.png")} == {"over-time.png", "scores.png"}


def test_what_each_choice_would_have_found_is_compared(untrained, tmp_path: Path) -> None:
    model, data = untrained
    calibrate(model, data, TumourSettings())
    metrics = JOB.evaluate(model, TumourSettings(), data, tmp_path)
    head, _, *lines = (tmp_path / "thresholds.txt").read_text().splitlines()
    assert head == "| by | threshold | found | false alarms | f1 |"
    assert [line.split(" | ")[0] for line in lines] == ["| deviations", "| quantile"]
    told = [float(cell) for cell in lines[0].strip("| ").split(" | ")[1:]]
    expected = [metrics[name] for name in ("threshold", "found", "false_alarms", "f1")]
    assert told == pytest.approx(expected, rel=1e-3)

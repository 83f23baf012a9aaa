"""The parts of our own: layer, losses, metric, and how the rare class is thinned."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from training.classify.tables import Rows
from training.classify.tumours_focal import F1, FocalSettings, OwnDense, focal, load, thinned, weighted
from training.errors import DataError


def test_our_dense_layer_is_the_one_of_the_framework() -> None:
    ours, theirs = OwnDense(3, activation="relu"), keras.layers.Dense(3, activation="relu")
    inputs = np.random.default_rng(1).standard_normal((4, 5)).astype(np.float32)
    theirs.build((None, 5))
    ours.build((None, 5))
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(inputs), theirs(inputs), rtol=1e-6)


def test_a_model_with_our_layer_comes_back_from_disk(tmp_path: Path) -> None:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, OwnDense(1, activation="sigmoid")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    rows = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(model(rows), again(rows))


def test_without_focus_the_focal_loss_is_half_the_cross_entropy() -> None:
    truth, probability = np.array([[1.0], [0.0]]), np.array([[0.8], [0.3]])
    expected = -(np.log(0.8) + np.log(0.7)) / 2
    assert float(focal(0.0, 0.5)(truth, probability)) == pytest.approx(expected / 2, rel=1e-6)


def test_focus_charges_what_is_nearly_right_less() -> None:
    sure, unsure = np.array([[0.95]]), np.array([[0.55]])
    one = np.array([[1.0]])
    plain = float(focal(0.0, 0.5)(one, sure)) / float(focal(0.0, 0.5)(one, unsure))
    focused = float(focal(2.0, 0.5)(one, sure)) / float(focal(2.0, 0.5)(one, unsure))
    assert focused == pytest.approx(plain * (0.05 / 0.45) ** 2, rel=1e-4)


def test_weighted_classes_weigh_the_same_in_all() -> None:
    truth = np.array([[1.0]] + [[0.0]] * 9)
    half = np.full((10, 1), 0.5)
    assert float(weighted(0.1)(truth, half)) == pytest.approx(np.log(2), rel=1e-6)


def test_f1_over_batches_is_that_of_all_rows() -> None:
    rng = np.random.default_rng(3)
    truth, probability = rng.integers(0, 2, 60), rng.random(60)
    metric = F1()
    for rows in np.split(np.arange(60), 4):
        metric.update_state(truth[rows], probability[rows])
    assert float(metric.result()) == pytest.approx(f1_score(truth, probability >= 0.5), rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0.0
    assert F1.from_config(F1(threshold=0.7).get_config()).threshold == 0.7


def test_the_rare_class_is_thinned_to_its_share_and_no_other_row_is_lost() -> None:
    rows = Rows(np.arange(100, dtype=np.float32)[:, None], np.array([1, 0] * 50, np.int32))
    few = thinned(rows, 0.2)
    assert (int((few.classes == 0).sum()), int((few.classes == 1).sum())) == (50, 12)
    assert thinned(rows, None) is rows


def test_the_rarer_label_is_the_second() -> None:
    table = load(FocalSettings())
    assert table.labels == ("benign", "malignant")
    assert table.train.classes.mean() < 0.5


def test_three_labels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = ["a,label", *(f"{number},{label}" for label in "xyz" for number in range(12))]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="expected 2 labels, found 3"):
        load(FocalSettings(data=str(path)))

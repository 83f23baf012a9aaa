"""Transfer: what each phase trains, what never changes, and where the base comes from."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training import atomic
from training.classify import objects_resnet, residual
from training.classify.objects_resnet import JOB, Transfer, TransferSettings, few
from training.classify.pictures import Part
from training.job import Loop

SETTINGS = TransferSettings.model_validate({**JOB.profiles["smoke"], "stages": (4, 8), "tuning_rate": 0.01})


@pytest.fixture(scope="module")
def data() -> Transfer:
    return JOB.load(SETTINGS)


class Snapshots(keras.callbacks.Callback):
    """Keeps the base's weights after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, np.ndarray]] = []

    def on_train_begin(self, logs: object = None) -> None:
        self._take()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self._take()

    def _take(self) -> None:
        self.taken.append({weight.path: weight.numpy() for weight in self.model.get_layer("base").weights})


@pytest.mark.slow
def test_the_head_learns_alone_and_then_with_the_last_stage_while_the_rest_stays(
    data: Transfer, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    atomic.write_json(tmp_path / "labels.json", list(data.target.labels))
    residual.build("small", 32, (4, 8)).save_weights(tmp_path / objects_resnet.BASE)
    snapshots = Snapshots()
    JOB.fit(JOB.build(SETTINGS, tmp_path), SETTINGS, data, Loop(callbacks=[snapshots]))
    start, alone, both = snapshots.taken
    assert all(np.array_equal(alone[name], value) for name, value in start.items())
    changed = {name for name, value in alone.items() if not np.array_equal(both[name], value)}
    assert changed == {f"stage2_{part}/kernel" for part in ("short", "first", "second", "third")}


def test_the_first_pictures_of_each_class_are_learnt_from() -> None:
    part = Part(np.arange(6, dtype=np.float32).reshape(6, 1, 1, 1), np.array([1, 0, 1, 1, 0, 0], np.int32))
    chosen = few(part, 2)
    np.testing.assert_array_equal(chosen.pixels.ravel(), [1, 4, 0, 2])
    np.testing.assert_array_equal(chosen.classes, [0, 0, 1, 1])
    assert few(part, None) is part


def test_a_base_that_is_trained_here_is_said_to_be(data: Transfer) -> None:
    assert data.summary.source.endswith("base trained here on drawn objects, 32x32 of other kinds")
    assert data.summary.sizes == {"train": 20, "validation": 10, "held_out": 20, "source": 80}
    assert data.source is not None
    assert not set(data.source.labels) & set(data.target.labels)


def test_imagenet_s_weights_are_taken_where_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = residual.build
    weights = small("small", 32, (4,)).get_weights()
    monkeypatch.setattr(residual, "imagenet", lambda: weights)
    monkeypatch.setattr(residual, "build", lambda _, side, stages: small("small", side, stages[:1]))
    settings = SETTINGS.model_copy(update={"base": "resnet50"})
    data = JOB.load(settings)
    assert data.summary.source.endswith("base with ImageNet's weights")
    JOB.save_assets(settings, data, tmp_path)
    base = JOB.build(settings, tmp_path).get_layer("base")
    for kept, given in zip(base.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(kept, given)


def test_the_table_tells_what_both_have_seen(data: Transfer) -> None:
    table = objects_resnet.transfer_table({"accuracy": 0.75, "twin_accuracy": 0.5}, SETTINGS, data)
    assert "| transfer | 80 pictures of other kinds, 1 epochs | 20 pictures, 2 epochs | 0.750 |" in table
    assert "| twin | nothing | 20 pictures, 2 epochs | 0.500 |" in table

"""Networks that see: their shapes, what of them is trained, and where weights come from."""

import socket
from typing import Any

import keras
import numpy as np
import pytest

from training.classify import residual


def test_the_small_one_is_of_bottlenecks_that_halve_and_widen() -> None:
    base = residual.build("small", 32, (16, 32, 64))
    assert base.output_shape == (None, 4, 4, 256)
    kernels = [layer.kernel.shape[:2] for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels[0] == (5, 5)
    assert kernels.count((3, 3)) == 3
    assert kernels.count((1, 1)) == 9


def test_only_convolutions_of_the_last_stage_are_left_to_train() -> None:
    base = residual.build("small", 32, (16, 32, 64))
    residual.freeze_all_but_last_stage(base, "small", (16, 32, 64))
    names = {variable.path.split("/")[-2] for variable in base.trainable_variables}
    assert names == {"stage3_short", "stage3_first", "stage3_second", "stage3_third"}


@pytest.mark.slow
def test_resnet50_prepares_pictures_as_its_weights_expect() -> None:
    """From 0 to 1 in red, green, blue to what Keras' own preparation of 0 to 255 gives."""
    base = residual.build("resnet50", 32, ())
    (scaled,) = (layer.output for layer in base.layers if isinstance(layer, keras.layers.Rescaling))
    pixels = np.random.default_rng(1).random((2, 32, 32, 3), np.float32)
    prepared = keras.applications.resnet50.preprocess_input(255 * pixels)
    np.testing.assert_allclose(keras.Model(base.input, scaled)(pixels), prepared, atol=1e-3)
    residual.freeze_all_but_last_stage(base, "resnet50", ())
    assert {variable.path.split("/")[-2].split("_")[0] for variable in base.trainable_variables} == {"conv5"}


def test_without_a_network_there_are_no_weights_and_the_wait_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float | None] = []

    def fail(**options: Any) -> keras.Model:
        waits.append(socket.getdefaulttimeout())
        raise Exception("URL fetch failure")  # noqa: TRY002  # as Keras does

    monkeypatch.setattr(keras.applications, "ResNet50", fail)
    assert residual.imagenet() is None
    assert (waits, socket.getdefaulttimeout()) == ([residual.SILENCE_S], None)

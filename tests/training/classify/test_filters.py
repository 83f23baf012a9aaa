"""Pictures of what a network looks for."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from training.classify import filters


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_and_activations_are_drawn(channels: int, tmp_path: Path) -> None:
    image = keras.Input((8, 8, channels), name="image")
    hidden = keras.layers.Conv2D(5, 3)(image)
    hidden = keras.layers.Conv2D(9, 3)(keras.layers.MaxPooling2D()(hidden))
    model = keras.Model(image, keras.layers.Flatten()(hidden))
    filters.draw(model, np.random.default_rng(1).random((8, 8, channels), np.float32), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"activations.png", "first-layer.png"}
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) >= 100


def test_layers_are_chosen_from_first_to_last() -> None:
    assert filters.spread(3, 6) == [0, 1, 2]
    assert filters.spread(49, 4) == [0, 16, 32, 48]
    assert filters.spread(1, 6) == [0]


def test_a_small_map_is_shown_in_blocks() -> None:
    shown = filters.enlarged(np.array([[1.0, 2.0], [3.0, 4.0]]), 4)
    np.testing.assert_array_equal(shown, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])

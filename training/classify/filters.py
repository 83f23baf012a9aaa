"""Draw what a convolutional network looks for first, and what its layers make of one picture.

Knows Keras layers and pixels; knows nothing of jobs.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from training import plots

FILTERS = 64
CHANNELS = 8
LAYERS = 6

Pixels = NDArray[np.floating]


def draw(model: keras.Model, picture: Pixels, directory: Path) -> None:
    """Draw `first-layer.png` and `activations.png` of a model of pictures, of one picture [height, width, channels]."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    first_layer(np.asarray(convolutions[0].kernel), directory / "first-layer.png")
    activations(model, convolutions, picture, directory / "activations.png")


def first_layer(kernel: Pixels, target: Path) -> None:
    """Draw the filters of a kernel [height, width, channels, filters], in colour where there are three channels."""
    filters = np.moveaxis(kernel, -1, 0)[:FILTERS]
    if filters.shape[-1] != 3:
        plots.tiles(filters[..., 0], target, "Filters of the first layer")
        return
    low = filters.min(axis=(1, 2, 3), keepdims=True)
    span = filters.max(axis=(1, 2, 3), keepdims=True) - low
    plots.tiles((filters - low) / np.maximum(span, 1e-9), target, "Filters of the first layer")


def activations(model: keras.Model, layers: list[keras.layers.Layer], picture: Pixels, target: Path) -> None:
    """Draw the first eight channels of some of the layers, from the first to the last, a row for each layer."""
    chosen = [layers[place] for place in spread(len(layers), LAYERS)]
    look = keras.Model(model.input, [layer.output for layer in chosen])
    seen = look(picture[None], training=False)
    maps = [np.asarray(each)[0] for each in (seen if isinstance(seen, list) else [seen])]
    side = max(each.shape[0] for each in maps)
    shown = [enlarged(each[..., channel], side) for each in maps for channel in _channels(each)]
    titles = [
        f"{layer.name} {channel}"
        for layer, each in zip(chosen, maps, strict=True)
        for channel in _channels(each)
    ]
    plots.tiles(np.stack(shown), target, "What layers make of one held-out picture", titles=titles)


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` of the places 0 to count - 1, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


def enlarged(pixels: Pixels, side: int) -> Pixels:
    """Return [height, width] as [side, side], each value a block of its own."""
    rows, columns = (np.arange(side) * size // side for size in pixels.shape)
    blocks: Pixels = pixels[rows][:, columns]
    return blocks


def _channels(maps: Pixels) -> range:
    return range(min(CHANNELS, maps.shape[-1]))

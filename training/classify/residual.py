"""Residual networks without a head: ResNet50 (He et al. 2016), and a small one of the same bottleneck blocks.

Knows layers and weights, nothing of data or of what a head does with the features. Pictures are [batch, side, side, 3] in
0 to 1; features are [batch, rows, columns, channels].
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, Literal

import keras

Kind = Literal["small", "resnet50"]
Weights = list[Any]

SILENCE_S = 10.0
"""How long the network may say nothing while weights are fetched."""
MEANS = (-103.939, -116.779, -123.68)
"""What the weights for ImageNet were trained with: blue, green, red from 0 to 255, less the means of that set."""
LAST_OF_RESNET50 = "conv5"


def build(kind: Kind, side: int, stages: Sequence[int]) -> keras.Model:
    """Make the network, called `base`, with random weights; a small one has a block of `stages` filters at each size."""
    image = keras.Input((side, side, 3), name="image")
    return _resnet50(image) if kind == "resnet50" else _small(image, stages)


def _resnet50(image: Any) -> keras.Model:
    turned = keras.ops.take(image, [2, 1, 0], axis=-1)
    prepared = keras.layers.Rescaling(255.0, MEANS)(turned)
    whole = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=prepared)
    return keras.Model(image, whole.output, name="base")


def _small(image: Any, stages: Sequence[int]) -> keras.Model:
    hidden = _convolution(image, 32, 5, 2, "stem")
    for number, count in enumerate(stages, start=1):
        hidden = _bottleneck(hidden, count, 1 if number == 1 else 2, f"stage{number}")
    return keras.Model(image, hidden, name="base")


def _bottleneck(hidden: Any, count: int, stride: int, name: str) -> Any:
    """Return the sum of a short cut and of three convolutions, the middle one of `count` filters, all 4 * `count` wide."""
    short = _convolution(hidden, 4 * count, 1, stride, f"{name}_short", active=False)
    hidden = _convolution(hidden, count, 1, stride, f"{name}_first")
    hidden = _convolution(hidden, count, 3, 1, f"{name}_second")
    hidden = _convolution(hidden, 4 * count, 1, 1, f"{name}_third", active=False)
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add()([short, hidden]))


def _convolution(hidden: Any, count: int, size: int, stride: int, name: str, *, active: bool = True) -> Any:
    hidden = keras.layers.Conv2D(count, size, stride, padding="same", use_bias=False, name=name)(hidden)
    hidden = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_normal")(hidden)
    return keras.layers.ReLU()(hidden) if active else hidden


def freeze_all_but_last_stage(base: keras.Model, kind: Kind, stages: Sequence[int]) -> None:
    """Leave only the convolutions of the last stage trainable; batch normalisation never is."""
    name = LAST_OF_RESNET50 if kind == "resnet50" else f"stage{len(stages)}"
    for layer in base.layers:
        last = layer.name.startswith(name)
        layer.trainable = last and not isinstance(layer, keras.layers.BatchNormalization)


def imagenet() -> Weights | None:
    """Return the weights of ResNet50 for ImageNet, from Keras' cache or the network; None if neither has them."""
    try:
        with _silence_ends_after(SILENCE_S), redirect_stdout(io.StringIO()):  # Keras draws a bar of its own
            weights: Weights = keras.applications.ResNet50(
                include_top=False, weights="imagenet"
            ).get_weights()
    except Exception:  # noqa: BLE001  # what Keras raises when the download fails
        return None
    return weights


@contextmanager
def _silence_ends_after(seconds: float) -> Iterator[None]:
    """Bound every wait for the network in the block: Keras' download has no bound of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

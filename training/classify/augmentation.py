"""Change training pictures at random: turn, scale, move, mirror, more or less contrast.

Knows pictures [batch, height, width, channels] in 0 to 1; knows no model. Outside models on purpose: layers that change
pictures at random would end up in what is exported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from training import plots
from training.classify.pictures import Pixels
from training.steady import steady

SHOWN = 8
VERSIONS = 4


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is changed at most: `turn` as a share of a full circle, `zoom` of the size, `shift` of the side and
    `contrast` of what it was; `flip` also mirrors. What comes in at an edge is black, or the edge's own colours (`beyond`).
    """

    turn: float
    zoom: float
    shift: float
    flip: bool = False
    contrast: float = 0.0
    beyond: Literal["black", "edge"] = "black"

    def layers(self) -> keras.layers.Pipeline:
        """Return what changes a batch, the changes that do nothing left out."""
        fill = "constant" if self.beyond == "black" else "nearest"
        changes: list[keras.layers.Layer] = []
        if self.flip:
            changes.append(keras.layers.RandomFlip("horizontal"))
        if self.turn:
            changes.append(keras.layers.RandomRotation(self.turn, fill_mode=fill))
        if self.zoom:
            changes.append(keras.layers.RandomZoom(self.zoom, fill_mode=fill))
        if self.shift:
            changes.append(keras.layers.RandomTranslation(self.shift, self.shift, fill_mode=fill))
        if self.contrast:
            changes.append(keras.layers.RandomContrast(self.contrast, value_range=(0.0, 1.0)))
        return keras.layers.Pipeline(changes or [keras.layers.Identity()])

    def batches(self, pixels: Pixels, beside: Any, batch_size: int) -> tf.data.Dataset:
        """Return shuffled batches of changed pictures and what is `beside` each: its class, or more."""
        change = self.layers()
        rows = tf.data.Dataset.from_tensor_slices((pixels, beside)).shuffle(len(pixels))
        varied = rows.batch(batch_size).map(
            lambda shown, rest: (change(shown, training=True), rest), tf.data.AUTOTUNE
        )
        return steady(varied.prefetch(4))

    def preview(self, pixels: Pixels, target: Path) -> None:
        """Draw eight pictures as they are, and below each what becomes of it in training, four times."""
        change = self.layers()
        chosen = pixels[:SHOWN]
        rows = [chosen, *(np.asarray(change(chosen, training=True)) for _ in range(VERSIONS))]
        shown = np.concatenate(rows)
        plots.tiles(
            shown[..., 0] if shown.shape[-1] == 1 else shown,
            target,
            "Training pictures: as they are (top row), and changed",
        )

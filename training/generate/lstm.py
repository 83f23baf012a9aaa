"""A character language model: embedding, LSTM layers, one logit for each character.

Knows ids and states, nothing of text. `build` is what training sees, `step` what serving needs: the same weights,
with states in and out and rows of different lengths in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.generate.sampling import Way

Tensor = Any


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the model is."""

    vocabulary: int
    embedding: int = 64
    units: int = 192
    layers: int = 2
    dropout: float = 0.0


def build(shape: Shape) -> keras.Model:
    """Make the model: ids [batch, time] to logits [batch, time, vocabulary]."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(shape.vocabulary, shape.embedding, name="embedding")(ids)
    for i in range(shape.layers):
        x, _, _ = _lstm(shape.units, i)(x)
        x = keras.layers.Dropout(shape.dropout, name=f"dropout_{i}")(x)
    return keras.Model(ids, keras.layers.Dense(shape.vocabulary, name="logits")(x), name="prose_lstm")


def _lstm(units: int, index: int) -> keras.layers.LSTM:
    # Its cuDNN form exists on GPUs alone: a SavedModel traced there would not run on a CPU.
    return keras.layers.LSTM(
        units, return_sequences=True, return_state=True, use_cudnn=False, name=f"lstm_{index}"
    )


def lstm_layers(model: keras.Model) -> list[keras.layers.LSTM]:
    """Return the LSTM layers from the first to the last."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]


def step(model: keras.Model, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read up to `time` more characters of every row.

    `ids` [batch, time] are valid up to `lengths` [batch], `h_i` and `c_i` [batch, units] are the states before.
    Returns `logits` [batch, vocabulary] after each row's last valid character, and the states there as
    `h_i_out` and `c_i_out`.
    """
    ids = inputs["ids"]
    mask = tf.sequence_mask(inputs["lengths"], tf.shape(ids)[1])
    x = model.get_layer("embedding")(ids)
    answer, last = {}, None
    for i, layer in enumerate(lstm_layers(model)):
        x = tf.identity(x)  # without the mask that Keras hangs on it
        x, last, carry = layer(
            x, mask=mask, initial_state=[inputs[f"h_{i}"], inputs[f"c_{i}"]], training=False
        )
        answer[f"h_{i}_out"], answer[f"c_{i}_out"] = last, carry
    return answer | {"logits": model.get_layer("logits")(last)}


def zero_states(model: keras.Model, rows: int) -> dict[str, Tensor]:
    """Return the states before the first character."""
    layers = lstm_layers(model)
    return {f"{name}_{i}": tf.zeros((rows, layer.units)) for i, layer in enumerate(layers) for name in "hc"}


def continuation(
    model: keras.Model, prompts: NDArray[np.int32], count: int, ways: Sequence[Way], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw `count` characters that follow each of `prompts` [rows, length], one at a time and each row in its way."""
    run = tf.function(lambda inputs: step(model, inputs), reduce_retracing=True)
    states, ids, drawn = zero_states(model, len(prompts)), prompts, list[NDArray[np.int32]]()
    for _ in range(count):
        lengths = tf.fill((len(ids),), ids.shape[1])
        answer = run({"ids": tf.constant(ids, tf.int32), "lengths": lengths} | states)
        states = {name: answer[f"{name}_out"] for name in states}
        chosen = [way.draw(row, rng) for way, row in zip(ways, answer["logits"].numpy(), strict=True)]
        ids = np.array(chosen, np.int32)[:, None]
        drawn.append(ids[:, 0])
    return np.stack(drawn, axis=1)

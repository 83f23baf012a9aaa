"""An encoder-decoder of two GRUs (Cho et al. 2014; Sutskever et al. 2014): the question becomes the decoder's first state.

Knows token ids and nothing of text. The decoder can learn from the truth alone (teacher forcing), or from a mixture
with what it said itself (scheduled sampling, Bengio et al. 2015).

Shapes: B rows, S source tokens, T target tokens, U units. Id 0 is padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from training.batches import padded
from training.generate.pieces import END, START

Tensor = Any


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the model is."""

    source_vocabulary: int
    target_vocabulary: int
    embedding: int = 64
    units: int = 192
    dropout: float = 0.0


class Chat(keras.Model):
    """Token ids in, logits out; `encode` and `step` are the halves that serving calls.

    `truth` is the share of the decoder's inputs, beyond the first, that are the truth in training; the others are
    what it held for likeliest itself. It is a variable: a schedule may change it between epochs.
    """

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dimensions = shape
        self.truth = tf.Variable(1.0, trainable=False, name="truth")
        self.source_embedding = layers.Embedding(shape.source_vocabulary, shape.embedding, name="source")
        self.target_embedding = layers.Embedding(shape.target_vocabulary, shape.embedding, name="target")
        # The cuDNN form exists on GPUs alone: a SavedModel traced there would not run on a CPU.
        self.encoder = layers.GRU(shape.units, use_cudnn=False, name="encoder")
        self.decoder = layers.GRU(
            shape.units, return_sequences=True, return_state=True, use_cudnn=False, name="decoder"
        )
        self.dropout = layers.Dropout(shape.dropout)
        self.output_layer = layers.Dense(shape.target_vocabulary, name="logits")

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Return logits [B,T,vocabulary] for `source` [B,S] and `target` [B,T], which begins with the start id."""
        thought = self.dropout(self._read(inputs["source"]), training=training)
        target = inputs["target"]
        if not training:
            return self._forced(target, thought, training=False)
        return tf.cond(
            self.truth >= 1.0,
            lambda: self._forced(target, thought, training=True),
            lambda: self._sampled(target, thought),
        )

    def encode(self, source: Tensor) -> dict[str, Tensor]:
        """Return the `thought` [B,U]: the encoder's state after each row's last token of `source` [B,S]."""
        return {"thought": self._read(source)}

    def step(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return `logits` [B,vocabulary] after one more token, and the state there as `h_out` [B,U].

        `ids` and `positions` are [B,1], `h` [B,U] is the state before; at position 0 it is `thought` [B,U] instead.
        """
        before = tf.where(tf.equal(inputs["positions"], 0), inputs["thought"], inputs["h"])
        x = self.target_embedding(inputs["ids"])
        after, _ = self.decoder.cell(x[:, 0], [before])
        return {"logits": self.output_layer(after), "h_out": after}

    def _read(self, source: Tensor) -> Tensor:
        return self.encoder(tf.identity(self.source_embedding(source)), mask=tf.not_equal(source, 0))

    def _forced(self, target: Tensor, thought: Tensor, *, training: bool) -> Tensor:
        x = self.dropout(self.target_embedding(target), training=training)
        outputs, _ = self.decoder(x, initial_state=thought)
        return self._logits(self.dropout(outputs, training=training), target)

    def _logits(self, outputs: Tensor, target: Tensor) -> Tensor:
        # As one matrix: the gradient of a product with three axes would make one of the weights for each row.
        flat = self.output_layer(tf.reshape(outputs, (-1, self.dimensions.units)))
        return tf.reshape(flat, (tf.shape(target)[0], tf.shape(target)[1], self.dimensions.target_vocabulary))

    def _sampled(self, target: Tensor, thought: Tensor) -> Tensor:
        """Decode token by token; each input is the truth with probability `truth`, else the likeliest before it."""
        rows = tf.shape(target)[0]

        def say(before: tuple[Tensor, Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
            state, logits = before
            true = tf.logical_or(tf.equal(at, 0), tf.random.uniform((rows,)) < self.truth)
            ids = tf.where(true, target[:, at], tf.argmax(logits, axis=1, output_type=target.dtype))
            x = self.dropout(self.target_embedding(ids), training=True)
            state, _ = self.decoder.cell(x, [state])
            return state, self.output_layer(self.dropout(state, training=True))

        nothing = tf.zeros((rows, self.dimensions.target_vocabulary))
        _, logits = tf.scan(say, tf.range(tf.shape(target)[1]), (thought, nothing))
        return tf.transpose(logits, (1, 0, 2))


def create(shape: Shape) -> Chat:
    """Return a built model with random weights."""
    model = Chat(shape, name="chat_gru")
    one = np.ones((1, 2), np.int32)
    model({"source": one, "target": one})
    return model


def replies(
    model: Chat, sources: Sequence[Sequence[int]], *, limit: int, batch_size: int = 128
) -> list[list[int]]:
    """Return the likeliest reply to each source, token by token, without START and END; at most `limit` tokens."""
    encode = tf.function(model.encode, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    step = tf.function(model.step, reduce_retracing=True)
    answers: list[list[int]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        thought = encode(tf.constant(padded([sources[index] for index in chosen])))["thought"]
        ids, h, rows = np.full((len(chosen), 1), START, np.int32), tf.zeros_like(thought), list[Any]()
        for position in range(limit):
            positions = tf.fill((len(chosen), 1), position)
            answer = step({"ids": tf.constant(ids), "positions": positions, "h": h, "thought": thought})
            ids, h = answer["logits"].numpy().argmax(axis=1).astype(np.int32)[:, None], answer["h_out"]
            rows.append(ids[:, 0])
            if all(END in row for row in np.stack(rows, axis=1)):
                break
        for index, row in zip(chosen, np.stack(rows, axis=1).tolist(), strict=True):
            answers[index] = row[: row.index(END)] if END in row else row
    return answers

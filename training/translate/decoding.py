"""Translate many sentences at once, always taking the likeliest next token.

Knows a Transformer's `encode` and `step`, and nothing of text. It is the loop that a server runs, in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.batches import padded
from training.translate.subwords import END, START
from training.translate.transformer import Transformer

Rows = Sequence[Sequence[int]]


def greedy(model: Transformer, sources: Rows, *, limit: int, batch_size: int = 128) -> list[list[int]]:
    """Return the translation of each source as ids without START and END, at most `limit` of them.

    A source ends with END. Sources of like length share a batch; the order of the answers is theirs.
    """
    encode = tf.function(model.encode, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    step = tf.function(model.step, input_signature=[_inputs(model)])
    answers: list[list[int]] = [[] for _ in sources]
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        tokens = _batch(model, encode, step, padded([sources[index] for index in chosen]), limit)
        for index, row in zip(chosen, tokens, strict=True):
            ends = np.flatnonzero(row == END)
            answers[index] = [int(token) for token in (row[: ends[0]] if len(ends) else row)]
    return answers


def _inputs(model: Transformer) -> dict[str, tf.TensorSpec]:
    """Return what a step takes, whatever the sizes are: it is traced once."""
    shape = model.dimensions
    keys = tf.TensorSpec((None, shape.heads, None, shape.width // shape.heads), tf.float32)
    names = [
        f"{kind}_{letter}_{i}" for kind in ("past", "cross") for i in range(shape.depth) for letter in "kv"
    ]
    mask, one = tf.TensorSpec((None, None), tf.float32), tf.TensorSpec((None, 1), tf.int32)
    return {
        "ids": one,
        "positions": one,
        "past_mask": mask,
        "source_mask": mask,
        **dict.fromkeys(names, keys),
    }


def _batch(
    model: Transformer,
    encode: tf.types.experimental.PolymorphicFunction,
    step: tf.types.experimental.PolymorphicFunction,
    source: NDArray[np.int32],
    limit: int,
) -> NDArray[np.int32]:
    """Return [rows, tokens]; what follows an END means nothing."""
    rows, shape = len(source), model.dimensions
    context = encode(tf.constant(source))
    empty = tf.zeros((rows, shape.heads, 0, shape.width // shape.heads))
    past = {f"past_{letter}_{i}": empty for i in range(shape.depth) for letter in "kv"}
    tokens = [np.full(rows, START, np.int32)]
    done = np.zeros(rows, np.bool_)
    while not done.all() and len(tokens) <= limit:
        age = len(tokens) - 1
        inputs = {
            "ids": tf.constant(tokens[-1][:, None]),
            "positions": tf.fill((rows, 1), age),
            "past_mask": tf.ones((rows, age)),
        }
        answer = step(inputs | context | past)
        past = {name: tf.concat([old, answer[f"new_{name[5:]}"]], axis=2) for name, old in past.items()}
        tokens.append(answer["logits"].numpy().argmax(axis=1).astype(np.int32))
        done |= tokens[-1] == END
    return np.stack(tokens[1:], axis=1)

"""Datasets whose iterators end at once.

Knows tf.data's options, nothing of what is in a dataset.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def steady(dataset: Any) -> Any:
    """Return a `tf.data.Dataset` that is not tuned while it runs.

    The thread that tunes one looks again after ever longer pauses, up to a minute, and an iterator that ends sometimes
    waits for it until the pause is over: seen in one training of six, after up to 51 s (TensorFlow 2.21).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)

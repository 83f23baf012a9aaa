"""Make a training repeatable.

Knows which generators there are, nothing of who draws from them.
"""

import keras
import tensorflow as tf


def plant(seed: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and TensorFlow; `deterministic` also refuses operations that vary by themselves."""
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()

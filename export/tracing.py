"""Make the `tf.function` of an endpoint from the description of its inputs.

Knows TensorFlow, and nothing of models or bundles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.bundle import Tensor

Named = Mapping[str, Any]
"""TensorFlow tensors by name."""


def trace(inputs: Sequence[Tensor], call: Callable[[Named], Named]) -> Any:
    """Return `call` as a `tf.function` of `inputs`: it is given them by name and returns outputs by name."""
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    specs = [
        tf.TensorSpec([None if isinstance(axis, str) else axis for axis in each.shape], each.dtype, each.name)
        for each in inputs
    ]

    @tf.function(input_signature=specs)
    def function(*tensors: tf.Tensor) -> Named:
        return call({each.name: tensor for each, tensor in zip(inputs, tensors, strict=True)})

    return function

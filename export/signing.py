"""Give a function of named tensors the input signature that the manifest describes.

Knows TensorFlow's specs, and nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.bundle import Tensor

Named = Callable[[Mapping[str, Any]], dict[str, Any]]


def signed(inputs: Sequence[Tensor], function: Named) -> Any:
    """Return `function` as a `tf.function` of these inputs, each by its name; free axes stay free."""
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    specs = [
        tf.TensorSpec([None if isinstance(axis, str) else axis for axis in one.shape], one.dtype, one.name)
        for one in inputs
    ]

    @tf.function(input_signature=specs)
    def run(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(dict(zip((one.name for one in inputs), tensors, strict=True)))

    return run

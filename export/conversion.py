"""Turn a reloaded SavedModel signature into ONNX with tf2onnx.

Knows TensorFlow and tf2onnx, and nothing of what a signature means. It is the reloaded SavedModel that is
converted, not the Keras model, so that both files come from the same signature.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from export.errors import ConversionError

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""The newest that tf2onnx 1.17 writes."""


def convert(loaded: Any, signature: str) -> onnx.ModelProto:
    """Return the graph of one signature of a loaded SavedModel, its tensors named as in the signature.

    Raises ConversionError if tf2onnx fails. It leaves some unknown operations in the graph with no more than a
    note in the log: `graph.conform` finds them.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model
    from tf2onnx import tf_loader  # noqa: PLC0415

    # The public functions write a broken file where an operation is unknown; this one can be told to stop.
    from tf2onnx.convert import _convert_common  # noqa: PLC0415

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = loaded.signatures[signature]
    inputs, outputs, names = _tensors(function)
    try:
        with tf.device("/cpu:0"):
            graph, tables = tf_loader.from_trackable(loaded, function, inputs, outputs, large_model=False)
            model, _ = _convert_common(
                graph,
                name=signature,
                continue_on_error=False,
                opset=OPSET,
                input_names=inputs,
                output_names=outputs,
                tensors_to_rename=names,
                initialized_tables=tables,
            )
    except Exception as error:  # tf2onnx raises whatever its handlers raise
        raise ConversionError(f"signature '{signature}' cannot be converted to ONNX: {error}") from error
    return model


def _tensors(function: Any) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the graph's own names of inputs and outputs, and what each is called in the signature."""
    import tensorflow as tf  # noqa: PLC0415

    captured = {tensor.name for tensor in function.graph.internal_captures}
    inputs = [
        tensor.name
        for tensor in function.inputs
        if tensor.name not in captured and tensor.dtype != tf.resource
    ]
    outputs = [tensor.name for tensor in function.outputs]
    declared = [spec.name for spec in tf.nest.flatten(function.structured_input_signature)]
    # Both sides list arguments and results in the alphabetical order of their names.
    names = dict(zip(inputs, declared, strict=True))
    names |= dict(zip(outputs, sorted(function.structured_outputs), strict=True))
    return inputs, outputs, names

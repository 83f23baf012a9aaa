"""Write endpoints as a SavedModel, load one, and run its signatures on arrays.

Knows TensorFlow, and nothing of ONNX, manifests or versions. TensorFlow is imported with the first call, for it
takes seconds that `--help` and a wrong argument need not wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.errors import RecipeError
from export.parity import Runner
from export.recipe import Arrays, Endpoint, with_texts
from training.quiet import import_tensorflow

SERVING_DEFAULT = "serving_default"
"""The signature that TF Serving takes when a client names none."""


def write(endpoints: Sequence[Endpoint], directory: Path) -> None:
    """Save every endpoint as a signature of its own name, and the first also as `serving_default`.

    Raises RecipeError if a function does not take or return what its endpoint declares.
    """
    import tensorflow as tf  # noqa: PLC0415

    functions = {endpoint.name: _trace(endpoint) for endpoint in endpoints}
    functions[SERVING_DEFAULT] = functions[endpoints[0].name]
    module = tf.Module()
    variables = {id(variable): variable for function in functions.values() for variable in function.variables}
    module.tracked = list(variables.values())
    tf.saved_model.save(module, str(directory), signatures=functions)


def load(directory: Path) -> Any:
    """Load the SavedModel of a version; raises RecipeError if there is none that can be read."""
    import_tensorflow()
    import tensorflow as tf  # noqa: PLC0415

    try:
        return tf.saved_model.load(str(directory))
    except Exception as error:  # TensorFlow raises a dozen types for a broken file
        raise RecipeError(f"the SavedModel cannot be loaded: {type(error).__name__}") from error


def runner(loaded: Any, signature: str) -> Runner:
    """Return a signature as a function of arrays; raises RecipeError if the SavedModel has no such signature."""
    import tensorflow as tf  # noqa: PLC0415

    if signature not in loaded.signatures:
        raise RecipeError(f"the SavedModel has no signature '{signature}', only {sorted(loaded.signatures)}")
    function = loaded.signatures[signature]

    def run(feeds: Arrays) -> Arrays:
        try:
            answer = function(**{name: tf.constant(array) for name, array in feeds.items()})
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise RecipeError(f"signature '{signature}' of the SavedModel cannot be run: {error}") from error
        return with_texts({name: tensor.numpy() for name, tensor in answer.items()})

    return run


def _trace(endpoint: Endpoint) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    function = endpoint.function.get_concrete_function()
    if not isinstance(function.structured_outputs, dict):
        raise RecipeError(f"endpoint '{endpoint.name}' must return a dict of tensors by name")
    taken = {spec.name for spec in tf.nest.flatten(function.structured_input_signature)}
    for what, found, declared in (
        ("takes", taken, {tensor.name for tensor in endpoint.inputs}),
        ("returns", set(function.structured_outputs), {tensor.name for tensor in endpoint.outputs}),
    ):
        if found != declared:
            raise RecipeError(
                f"endpoint '{endpoint.name}' {what} {sorted(found, key=str)}, declared are {sorted(declared)}"
            )
    return function

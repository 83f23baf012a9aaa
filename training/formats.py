"""Begin a training with what an earlier one, or a stranger, has left: a `.keras` file, weights, or a SavedModel.

Knows the three formats, nothing of jobs or runs. Keras is imported with the first file that is read.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from training.errors import FormatError

Format = Literal["keras", "weights", "saved_model"]


def kind(path: Path) -> Format:
    """Return what `path` is, by its name; raises FormatError if it is none of the three, or not there."""
    found: Format | None = None
    if (path / "saved_model.pb").is_file():
        found = "saved_model"
    elif path.name.endswith(".weights.h5"):
        found = "weights"
    elif path.suffix == ".keras":
        found = "keras"
    if found is None or not path.exists():
        problem = "is none of the known formats" if path.exists() else "does not exist"
        raise FormatError(
            f"--from {path} {problem}; expected a .keras file, a .weights.h5 file or the directory of a SavedModel"
        )
    return found


def begin_with(model: Any, path: Path) -> None:
    """Give a compiled `model` the weights of `path`, and the optimizer's memory if that is kept there.

    The learning rate stays what the new training has set, and a schedule of it begins anew. Raises FormatError if the
    weights are of another model.
    """
    found = kind(path)
    own = not hasattr(model, "layers")
    if own and found != "weights":
        raise FormatError(f"--from {path}: this job's model is not one of Keras and takes .weights.h5 alone")
    try:
        if found == "saved_model":
            _copy_variables(model, path)
        elif own:
            model.load_weights(path)
        else:
            _load_with_optimizer(model, path)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FormatError(f"--from {path} does not fit this model: {reason}") from error


def load_weights(model: Any, path: Path) -> None:
    """Read weights into a compiled `model` of Keras, and the optimizer's memory if it is there; raises ValueError."""
    model.optimizer.build(model.trainable_variables)  # or Keras would leave its memory out
    with warnings.catch_warnings():
        # Keras only warns of layers that it does not find; weights without an optimizer are as good a beginning.
        warnings.filterwarnings("error", category=UserWarning)
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        try:
            model.load_weights(path)
        except UserWarning as warning:
            raise ValueError(str(warning)) from warning


def _load_with_optimizer(model: Any, path: Path) -> None:
    import keras  # noqa: PLC0415

    optimizer = model.optimizer
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    load_weights(model, path)
    if isinstance(optimizer.get_config()["learning_rate"], dict):
        optimizer.iterations.assign(0)  # a schedule that is at its end would teach nothing
    else:
        optimizer.learning_rate = rate


def _copy_variables(model: Any, path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415

    kept = list(getattr(tf.saved_model.load(str(path)), "variables", ()))
    shapes = [tuple(each.shape) for each in kept]
    if shapes != [tuple(each.shape) for each in model.variables]:
        raise ValueError(f"it keeps {len(kept)} variables, and they or their shapes are others")
    for variable, value in zip(model.variables, kept, strict=True):
        variable.assign(value)

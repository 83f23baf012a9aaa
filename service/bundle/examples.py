"""How a `tf.Example` becomes the inputs of a signature, and what its output means: a bundle's declaration.

Knows signatures and words. Knows nothing of messages, JSON or requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from service.bundle.signatures import Frozen, Signature, Tensor
from service.bundle.tasks import Classify, FeatureInput, ImageInput, Score, Task

BATCH = "batch"
IMAGE_FEATURE = "image/encoded"
"""What TensorFlow's image data sets call the feature with the bytes of a picture."""

_KINDS = {"f": ("float", "int64"), "i": ("int64",), "u": ("int64",), "b": ("int64",), "s": ("bytes",)}
"""By the first letter of a dtype, the kinds of feature that can fill it."""


class ExampleFeature(Frozen):
    """One feature: exactly so many values as its `shape` has elements, [] being one.

    `kind` is that of `tf.train.Feature`. With `image`, its one value is an encoded PNG or JPEG, and it alone fills
    an input.
    """

    name: Annotated[str, Field(min_length=1)]
    kind: Literal["float", "int64", "bytes"] = "float"
    shape: tuple[Annotated[int, Field(ge=1)], ...] = ()
    image: ImageInput | None = None

    @model_validator(mode="after")
    def _an_image_is_one_value(self) -> Self:
        if self.image is not None and (self.kind != "bytes" or self.shape):
            raise ValueError(f"feature '{self.name}': an image is one value of kind bytes")
        return self

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


class Examples(Frozen):
    """A signature that classifies or regresses Examples.

    The values of an input's features, one after the other, are the elements of its row. `output` is
    [batch, labels] float scores, or [batch] or [batch, 1] float values.
    """

    method: Literal["classify", "regress"]
    signature: str
    inputs: dict[str, tuple[ExampleFeature, ...]]
    output: str
    labels: tuple[str, ...] = ()

    def check(self, signatures: Mapping[str, Signature]) -> None:
        """Raise ValueError if the signatures cannot be fed so, or do not answer so."""
        signature = signatures.get(self.signature)
        if signature is None:
            raise ValueError(f"examples: signature '{self.signature}' is not among the signatures")
        inputs = {tensor.name: tensor for tensor in signature.inputs}
        if self.inputs.keys() != inputs.keys():
            raise ValueError(f"examples: expected features for {sorted(inputs)}, got {sorted(self.inputs)}")
        for name, features in self.inputs.items():
            _check_input(inputs[name], features)
        outputs = {tensor.name: tensor for tensor in signature.outputs}
        if self.output not in outputs:
            raise ValueError(f"examples: signature '{self.signature}' has no output '{self.output}'")
        _check_output(outputs[self.output], self.method, self.labels)


def _check_input(tensor: Tensor, features: tuple[ExampleFeature, ...]) -> None:
    where = f"examples: input '{tensor.name}'"
    sizes = [size for size in tensor.shape[1:] if isinstance(size, int)]
    if tensor.shape[:1] != (BATCH,) or len(sizes) != len(tensor.shape) - 1:
        raise ValueError(f"{where}: expected one free axis, '{BATCH}', got {list(tensor.shape)}")
    image = next((feature.image for feature in features if feature.image is not None), None)
    if image is not None:
        expected = [image.height, image.width, image.channels]
        if len(features) > 1 or tensor.dtype != "float32" or sizes != expected:
            raise ValueError(f"{where}: an image alone fills float32 {expected}, not {tensor.dtype} {sizes}")
        return
    if sum(feature.size for feature in features) != math.prod(sizes):
        raise ValueError(f"{where}: expected {math.prod(sizes)} values of its features together")
    for feature in features:
        if feature.kind not in _KINDS[tensor.dtype[0]]:
            raise ValueError(
                f"{where}: feature '{feature.name}' of kind {feature.kind} does not fill {tensor.dtype}"
            )


def _check_output(tensor: Tensor, method: str, labels: tuple[str, ...]) -> None:
    where = f"examples: output '{tensor.name}'"
    if not tensor.dtype.startswith("float"):
        raise ValueError(f"{where}: expected floats, got {tensor.dtype}")
    if method == "classify" and (len(tensor.shape) != 2 or tensor.shape[1] != len(labels)):
        raise ValueError(f"{where}: expected [batch, {len(labels)}], a score for each label")
    if method == "regress" and (labels or tensor.shape[1:] not in {(), (1,)}):
        raise ValueError(f"{where}: expected [batch] or [batch, 1] and no labels")


def derived(task: Task, signatures: Mapping[str, Signature]) -> tuple[Examples, ...]:
    """Return what follows from the task: rows of named features and pictures are classified, rows are scored.

    Nothing if the task is none of these, or its signature cannot be fed from features alone.
    """
    try:
        found = _of_task(task, signatures)
        if found is None:
            return ()
        found.check(signatures)
    except (ValueError, KeyError):
        return ()
    return (found,)


def _of_task(task: Task, signatures: Mapping[str, Signature]) -> Examples | None:
    if isinstance(task, Score):
        inputs = {task.input: _numbers(task.features, signatures[task.signature].input(task.input))}
        return Examples(method="regress", signature=task.signature, inputs=inputs, output=task.score)
    if not isinstance(task, Classify):
        return None
    if isinstance(task.accepts, FeatureInput):
        features = _numbers(task.accepts.names, signatures[task.signature].input(task.input))
    elif isinstance(task.accepts, ImageInput):
        features = (ExampleFeature(name=IMAGE_FEATURE, kind="bytes", image=task.accepts),)
    else:
        return None
    return Examples(
        method="classify",
        signature=task.signature,
        inputs={task.input: features},
        output=task.probabilities,
        labels=task.labels,
    )


def _numbers(names: tuple[str, ...], tensor: Tensor) -> tuple[ExampleFeature, ...]:
    kind: Literal["float", "int64"] = "float" if tensor.dtype.startswith("float") else "int64"
    return tuple(ExampleFeature(name=name, kind=kind) for name in names)

"""Describe a run of the word `classify` as a bundle: a picture in, a probability for each label out.

Knows the assets that such a job leaves, and nothing of ONNX.
"""

from __future__ import annotations

import json
from dataclasses import replace

from export.errors import RunError
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Classify, ImageInput, Tensor

SIGNATURE = "classify"
IMAGE = "image"
PROBABILITIES = "probabilities"


def describe(source: Source) -> Recipe:
    """Return the recipe of an image classifier, image [batch, height, width, channels] in 0 to 1.

    Raises RunError if the run has no labels, or not one for each output of its model.
    """
    model = source.model

    def classify(inputs: Named) -> Named:
        return {PROBABILITIES: model(inputs[IMAGE], training=False)}

    _, height, width, channels = model.input_shape
    inputs, outputs = tensors((height, width, channels), model.output_shape[-1])
    return recipe(source, Endpoint(SIGNATURE, trace(inputs, classify), inputs, outputs))


def tensors(picture: tuple[int, int, int], labels: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the input and the output of a classifier of pictures [height, width, channels]."""
    return (
        (Tensor(name=IMAGE, dtype="float32", shape=("batch", *picture), range=(0.0, 1.0)),),
        (Tensor(name=PROBABILITIES, dtype="float32", shape=("batch", labels), range=(0.0, 1.0)),),
    )


def recipe(source: Source, endpoint: Endpoint, *others: Endpoint) -> Recipe:
    """Return the recipe around the `endpoint` of a classifier of pictures, with its labels and examples.

    Raises RunError if the run has no labels, or not one for each probability.
    """
    (_, height, width, channels), (_, count) = endpoint.inputs[0].shape, endpoint.outputs[0].shape
    task = Classify(
        signature=endpoint.name,
        input=IMAGE,
        probabilities=PROBABILITIES,
        labels=read_labels(source, int(count)),
        accepts=ImageInput(height=int(height), width=int(width), channels=channels, scale=1 / 255),
    )
    return Recipe(
        task,
        (replace(endpoint, example=read_examples(source, IMAGE)), *others),
        assets={"labels.json": source.assets / "labels.json"},
    )


def read_labels(source: Source, count: int) -> tuple[str, ...]:
    """Return the labels that the job left; raises RunError if there are not `count` of them."""
    try:
        labels = json.loads((source.assets / "labels.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"labels.json of the run cannot be read: {error}") from error
    if not isinstance(labels, list) or len(labels) != count:
        raise RunError(f"labels.json: expected a list of {count} labels")
    return tuple(str(label) for label in labels)

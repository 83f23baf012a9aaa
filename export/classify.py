"""Describe a run of the word `classify` as a bundle: a picture in, a probability for each label out.

Knows the assets that such a job leaves, and nothing of ONNX.
"""

from __future__ import annotations

import json

from export.errors import RunError
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from service.bundle import Classify, ImageInput, Tensor

SIGNATURE = "classify"
IMAGE = "image"
PROBABILITIES = "probabilities"


def describe(source: Source) -> Recipe:
    """Return the recipe of an image classifier, image [batch, height, width, channels] in 0 to 1.

    Raises RunError if the run has no labels, or not one for each output of its model.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    model = source.model
    _, height, width, channels = model.input_shape
    labels = _labels(source)

    @tf.function(input_signature=[tf.TensorSpec((None, height, width, channels), tf.float32, name=IMAGE)])
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {PROBABILITIES: model(image, training=False)}

    endpoint = Endpoint(
        name=SIGNATURE,
        function=classify,
        inputs=(
            Tensor(name=IMAGE, dtype="float32", shape=("batch", height, width, channels), range=(0.0, 1.0)),
        ),
        outputs=(
            Tensor(name=PROBABILITIES, dtype="float32", shape=("batch", len(labels)), range=(0.0, 1.0)),
        ),
        example=read_examples(source, IMAGE),
    )
    task = Classify(
        signature=SIGNATURE,
        input=IMAGE,
        probabilities=PROBABILITIES,
        labels=labels,
        accepts=ImageInput(height=height, width=width, channels=channels, scale=1 / 255),
    )
    return Recipe(task, (endpoint,), assets={"labels.json": source.assets / "labels.json"})


def _labels(source: Source) -> tuple[str, ...]:
    try:
        labels = json.loads((source.assets / "labels.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"labels.json of the run cannot be read: {error}") from error
    if not isinstance(labels, list) or len(labels) != source.model.output_shape[-1]:
        raise RunError(f"labels.json: expected a list of {source.model.output_shape[-1]} labels")
    return tuple(str(label) for label in labels)

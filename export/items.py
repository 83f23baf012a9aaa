"""Describe a run of `images-metadata`: a picture and numbers in, probabilities and a score out.

Knows the inputs by name, and nothing of the network. The bundle's word is `predict`: a request of `classify` has one
input, and its answer no score.
"""

from __future__ import annotations

from export.classify import IMAGE, PROBABILITIES
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Predict, Tensor

NUMBERS, SCORE = "numbers", "score"


def describe(source: Source) -> Recipe:
    """Return the recipe: image [batch, 64, 64, 3] in 0 to 1 and numbers in their own units; all labels, and the score.

    The names of numbers and labels are among the bundle's assets, in the order of the tensors.
    """
    model = source.model
    shapes = {tensor.name: ("batch", *tensor.shape[1:]) for tensor in model.inputs}
    labels = int(model.output[PROBABILITIES].shape[-1])
    inputs = (
        Tensor(name=IMAGE, dtype="float32", shape=shapes[IMAGE], range=(0.0, 1.0)),
        Tensor(name=NUMBERS, dtype="float32", shape=shapes[NUMBERS]),
    )
    outputs = (
        Tensor(name=PROBABILITIES, dtype="float32", shape=("batch", labels), range=(0.0, 1.0)),
        Tensor(name=SCORE, dtype="float32", shape=("batch", 1)),
    )

    def classify(given: Named) -> Named:
        return dict(model(dict(given), training=False))

    endpoint = Endpoint(
        "classify", trace(inputs, classify), inputs, outputs, example=read_examples(source, IMAGE, NUMBERS)
    )
    assets = {name: source.assets / name for name in ("features.json", "labels.json")}
    return Recipe(Predict(), (endpoint,), assets=assets)

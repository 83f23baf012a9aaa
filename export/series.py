"""Describe a run of `waves-lstm` as a bundle: a window of a series in, its next value out.

Knows the shape of the window, and nothing of the network.
"""

from __future__ import annotations

from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Predict, Tensor


def describe(source: Source) -> Recipe:
    """Return the recipe: series [batch, window, 1], the newest value last, to `next` [batch, 1]."""
    model = source.model
    inputs = (Tensor(name="series", dtype="float32", shape=("batch", int(model.input_shape[1]), 1)),)
    outputs = (Tensor(name="next", dtype="float32", shape=("batch", 1)),)

    def predict(given: Named) -> Named:
        return {"next": model(given["series"], training=False)}

    example = read_examples(source, "series")
    return Recipe(Predict(), (Endpoint("predict", trace(inputs, predict), inputs, outputs, example=example),))

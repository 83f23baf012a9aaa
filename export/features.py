"""Describe the runs of the word `classify` whose model takes a row of named features.

Knows the assets that such a job leaves, and nothing of ONNX. Scaling is in the graph.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from export.classify import PROBABILITIES, read_labels
from export.errors import RunError
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from service.bundle import Classify, FeatureInput, Tensor

FEATURES = "features"


def describe_binary(source: Source) -> Recipe:
    """Return the recipe of a model that answers with the probability of the second of two labels [batch, 1]."""
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    model = source.model

    def classify(given: Named) -> Named:
        second = model(given[FEATURES], training=False)
        return {PROBABILITIES: tf.concat([1 - second, second], axis=1)}

    return _recipe(source, _endpoint(source, "classify", classify, 2))


def describe_ensemble(source: Source) -> Recipe:
    """Return the recipe of members' probabilities [batch, members, labels]: `average` of them, `vote` of their firsts.

    `members` answers with what each of them says.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    model = source.model
    _, members, labels = (int(size or 0) for size in model.output_shape)

    def average(given: Named) -> Named:
        return {PROBABILITIES: tf.reduce_mean(model(given[FEATURES], training=False), axis=1)}

    def vote(given: Named) -> Named:
        firsts = tf.argmax(model(given[FEATURES], training=False), axis=2)
        return {PROBABILITIES: tf.reduce_mean(tf.one_hot(firsts, labels), axis=1)}

    def each(given: Named) -> Named:
        return {PROBABILITIES: model(given[FEATURES], training=False)}

    return _recipe(
        source,
        _endpoint(source, "average", average, labels),
        _endpoint(source, "vote", vote, labels),
        _endpoint(source, "members", each, members, labels),
    )


def _endpoint(source: Source, name: str, call: Callable[[Named], Named], *shape: int) -> Endpoint:
    inputs = (Tensor(name=FEATURES, dtype="float32", shape=("batch", len(read_names(source)))),)
    outputs = (Tensor(name=PROBABILITIES, dtype="float32", shape=("batch", *shape), range=(0.0, 1.0)),)
    return Endpoint(name, trace(inputs, call), inputs, outputs, example=read_examples(source, FEATURES))


def _recipe(source: Source, endpoint: Endpoint, *others: Endpoint) -> Recipe:
    task = Classify(
        signature=endpoint.name,
        input=FEATURES,
        probabilities=PROBABILITIES,
        labels=read_labels(source, int(endpoint.outputs[0].shape[-1])),
        accepts=FeatureInput(names=read_names(source)),
    )
    assets = {name: source.assets / name for name in ("features.json", "labels.json")}
    return Recipe(task, (endpoint, *others), assets=assets)


def read_names(source: Source) -> tuple[str, ...]:
    """Return the names of the features; raises RunError if there is not one for each input of the model."""
    try:
        names = json.loads((source.assets / "features.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"features.json of the run cannot be read: {error}") from error
    if not isinstance(names, list) or len(names) != source.model.input_shape[-1]:
        raise RunError(f"features.json: expected a list of {source.model.input_shape[-1]} names")
    return tuple(str(name) for name in names)

"""Describe a run of the word `score` as a bundle: a row of features in, a score and its reasons out.

Knows the assets that such a job leaves, and nothing of ONNX. Scaling, score and threshold are in the graph.
"""

from __future__ import annotations

import json

from export.errors import RunError
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from service.bundle import Score, Tensor

SIGNATURE = "score"
FEATURES = "features"


def describe(source: Source) -> Recipe:
    """Return the recipe of an anomaly detector, features [batch, features] in their own units.

    Every output has one row for each input row, the threshold too, so that rows of different callers can share
    a batch. Raises RunError if the run has not one feature name for each input of its model.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    model = source.model
    names = _features(source)

    @tf.function(input_signature=[tf.TensorSpec((None, len(names)), tf.float32, name=FEATURES)])
    def score(features: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = model(features, training=False)
        return outputs

    rows, wide = ("batch",), ("batch", len(names))
    endpoint = Endpoint(
        name=SIGNATURE,
        function=score,
        inputs=(Tensor(name=FEATURES, dtype="float32", shape=wide),),
        outputs=(
            Tensor(name="score", dtype="float32", shape=rows),
            Tensor(name="is_anomaly", dtype="bool", shape=rows),
            Tensor(name="threshold", dtype="float32", shape=rows),
            Tensor(name="contributions", dtype="float32", shape=wide),
            Tensor(name="reconstruction", dtype="float32", shape=wide),
        ),
        example=read_examples(source, FEATURES),
    )
    task = Score(
        signature=SIGNATURE,
        input=FEATURES,
        features=names,
        score="score",
        is_anomaly="is_anomaly",
        threshold="threshold",
        contributions="contributions",
    )
    return Recipe(task, (endpoint,), assets={"features.json": source.assets / "features.json"})


def _features(source: Source) -> tuple[str, ...]:
    try:
        names = json.loads((source.assets / "features.json").read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"features.json of the run cannot be read: {error}") from error
    if not isinstance(names, list) or len(names) != source.model.input_shape[-1]:
        raise RunError(f"features.json: expected a list of {source.model.input_shape[-1]} names")
    return tuple(str(name) for name in names)

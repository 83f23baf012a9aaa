"""Describe a run of the word `score` as a bundle: a row of features in, a score and its reasons out.

Knows the assets that such a job leaves, and nothing of ONNX. Scaling, score and threshold are in the graph.
"""

from __future__ import annotations

from export.examples import read_examples
from export.features import FEATURES, read_names
from export.recipe import Endpoint, Recipe, Source
from service.bundle import Score, Tensor

SIGNATURE = "score"


def describe(source: Source) -> Recipe:
    """Return the recipe of an anomaly detector, features [batch, features] in their own units.

    Every output has one row for each input row, the threshold too, so that rows of different callers can share
    a batch. Raises RunError if the run has not one feature name for each input of its model.
    """
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    model = source.model
    names = read_names(source)

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

"""Small signatures in NumPy and in TensorFlow, and runs that were never trained, for tests of the export."""

import os

# Before TensorFlow and ONNX Runtime are loaded, as the command line does.
os.environ.update({"CUDA_VISIBLE_DEVICES": "-1", "ORT_DISABLE_TELEMETRY": "1"})

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.recipe import Endpoint, Recipe, Source
from service.bundle import Classify, FeatureInput, Provenance, Signature, Tensor
from tests.export.toys import SCORES, WORDS
from training import atomic
from training.job import Expectation
from training.run import Record, Run


@pytest.fixture
def words() -> Signature:
    """Token ids [batch, time] and their lengths to three probabilities."""
    return Signature(file="model.onnx", saved_model_signature="bag", inputs=WORDS, outputs=SCORES)


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    """Where the toys come from."""
    return Provenance(
        job="bag", profile="smoke", revision="unknown", command="python -m training bag", seed=1,
        data="none", started=datetime(2026, 7, 14, tzinfo=UTC), seconds=1.0, parameters=115, libraries={"python": "3.11"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, provenance: Provenance) -> Source:
    """A finished run with a log and a plot, as an exporter sees it."""
    directory = tmp_path_factory.mktemp("run")
    (directory / "plots").mkdir()
    (directory / "plots" / "curves.png").write_bytes(b"a picture")
    (directory / "plots" / "page.txt").write_text("The *first* page.\n")
    (directory / "log.csv").write_text("epoch,loss\n1,0.5\n")
    return Source(
        directory=directory, job="bag", word="classify", model=None, assets=directory, settings={},
        metrics={"accuracy": 0.75}, provenance=provenance, sizes={"train": 20, "held_out": 8},
        expected=(Expectation("accuracy", at_least=0.8),),
    )  # fmt: skip


Bag = Callable[..., Recipe]


@pytest.fixture(scope="session")
def bag() -> Bag:
    """Return a function that makes the recipe of a bag of words: the mean of the valid tokens' vectors.

    The default signature `bag` takes tokens, the second, `dense`, takes features.
    """
    from training.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    rng = np.random.default_rng(7)
    table = tf.Variable(rng.standard_normal((20, 5)), dtype=tf.float32)
    weights = tf.Variable(rng.standard_normal((5, 3)), dtype=tf.float32)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32, name="ids"),
            tf.TensorSpec((None,), tf.int32, name="lengths"),
        ]
    )
    def of_words(ids: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        mask = tf.sequence_mask(lengths, tf.shape(ids)[1], tf.float32)[..., None]
        mean = tf.reduce_sum(tf.gather(table, ids) * mask, 1) / tf.cast(lengths, tf.float32)[:, None]
        return {"probabilities": tf.nn.softmax(mean @ weights)}

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.float32, name="features")])
    def of_features(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": tf.nn.softmax(features @ weights)}

    def make(**changes: Any) -> Recipe:
        first = Endpoint("bag", of_words, WORDS, SCORES, **changes)
        features = Tensor(name="features", dtype="float32", shape=("batch", 5))
        example = {"features": np.eye(5, dtype=np.float32)}
        second = Endpoint("dense", of_features, (features,), SCORES, example=example)
        task = Classify(
            signature="dense", input="features", probabilities="probabilities", labels=("a", "b", "c"),
            accepts=FeatureInput(names=("v", "w", "x", "y", "z")),
        )  # fmt: skip
        return Recipe(task, (first, second))

    return make


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of `digits-cnn` whose weights are as they were drawn: nothing was trained."""
    images = np.random.default_rng(3).random((8, 28, 28, 1), np.float32)
    return _untrained(
        tmp_path_factory.mktemp("runs") / "digits", "digits-cnn", {"image": images}, labels=list("0123456789")
    )


@pytest.fixture(scope="session")
def tumour_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of `tumour-autoencoder` that was never trained."""
    rows = np.random.default_rng(3).standard_normal((8, 30)).astype(np.float32)
    names = [f"feature {number}" for number in range(30)]
    return _untrained(
        tmp_path_factory.mktemp("runs") / "tumour", "tumour-autoencoder", {"features": rows}, features=names
    )


def _untrained(path: Path, name: str, examples: dict[str, np.ndarray], **assets: list[str]) -> Path:
    from training import jobs
    from training.quiet import import_tensorflow

    import_tensorflow()
    import keras

    job = jobs.find(name)
    keras.utils.set_random_seed(1)
    settings = job.settings.model_validate({"profile": "smoke", **job.profiles["smoke"]})
    record = Record(
        job=name, word=job.word, run=path.name, profile="smoke", seed=1, status="running", libraries={},
        command=f"python -m training {name}", started=datetime(2026, 7, 14, tzinfo=UTC), revision="unknown",
    )  # fmt: skip
    run = Run.create(path, record, settings)
    run.assets.mkdir(exist_ok=True)
    atomic.write_arrays(run.examples, examples)
    for asset, values in assets.items():
        atomic.write_json(run.assets / f"{asset}.json", values)
    job.build(settings, run.assets).save_weights(run.best_weights)
    run.finish({"quality": 0.5}, seconds=1.0)
    return path

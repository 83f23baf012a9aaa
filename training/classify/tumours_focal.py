"""Benign or malignant, where malignant is rare: a training loop of our own with a loss that minds the rare ones.

    python -m training tumours-focal                     scikit-learn's breast cancer set, about 15 s
    python -m training tumours-focal --set loss=weighted cross-entropy, each class weighing the same in all
    python -m training tumours-focal --data rows.csv     a header, a column `label` of two values, the rest features

The step is a `tf.function` around a GradientTape; layer, losses and metric are our own. Expected F1 of the rare class,
held out: 0.95 (quick). Knows nothing of the other jobs.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from pydantic import Field, PositiveInt
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import f1_score, precision_recall_curve

from training import atomic, plots
from training.classify import evaluation, tables
from training.classify.tables import Rows, Table
from training.epochs import train_epochs
from training.errors import DataError
from training.job import Expectation, Job, Loop, Profile, Settings
from training.scaling import Scaling

NEAREST = 1e-7
"""How near a probability may come to 0 or 1 in a loss."""


class FocalSettings(Settings):
    """Settings of `tumours-focal`.

    `rare` is the share that training rows of the rarer class are thinned to; None keeps all. `focus` is the exponent
    of the focal loss, `balance` the weight of its rare class (Lin et al. 2017).
    """

    epochs: PositiveInt = 100
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    loss: Literal["focal", "weighted"] = "focal"
    focus: Annotated[float, Field(ge=0, le=10)] = 2.0
    balance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    rare: Annotated[float, Field(gt=0, le=0.5)] | None = 0.2
    hidden: tuple[PositiveInt, ...] = (16,)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 400, "patience": 100},
    "smoke": {"epochs": 2, "hidden": (4,)},
}


@keras.saving.register_keras_serializable(package="sluice")
class OwnDense(keras.layers.Layer):
    """A dense layer from its definition: activation(inputs x weights + bias)."""

    def __init__(self, units: int, activation: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, shape: tuple[int | None, int]) -> None:
        """Make weights and bias."""
        self.weights_of_inputs = self.add_weight(
            shape=(shape[-1], self.units), initializer="glorot_uniform", name="weights"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Return [batch, units]."""
        return self.activation(ops.matmul(inputs, self.weights_of_inputs) + self.bias)

    def get_config(self) -> dict[str, Any]:
        """Return what it takes to make the layer again."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


@keras.saving.register_keras_serializable(package="sluice")
class F1(keras.metrics.Metric):
    """The harmonic mean of precision and recall of class 1, over all batches since the last reset."""

    def __init__(self, threshold: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = threshold
        self.found, self.claimed, self.true = (
            self.add_weight(shape=(), initializer="zeros", name=name) for name in ("found", "claimed", "true")
        )

    def update_state(self, truth: Any, probability: Any, sample_weight: Any = None) -> None:
        """Count a batch: `truth` and `probability` are [batch] or [batch, 1]; weights count rows as many."""
        true = ops.reshape(ops.cast(truth, "float32"), (-1,))
        claimed = ops.cast(ops.reshape(probability, (-1,)) >= self.threshold, "float32")
        weight = ops.ones_like(true) if sample_weight is None else ops.cast(sample_weight, "float32")
        self.found.assign_add(ops.sum(weight * true * claimed))
        self.claimed.assign_add(ops.sum(weight * claimed))
        self.true.assign_add(ops.sum(weight * true))

    def result(self) -> Any:
        """Return 2 found / (claimed + true); 0 where there is neither."""
        return 2 * self.found / ops.maximum(self.claimed + self.true, 1)

    def get_config(self) -> dict[str, Any]:
        """Return what it takes to make the metric again."""
        return {**super().get_config(), "threshold": self.threshold}


Loss = Callable[[Any, Any], Any]


def focal(focus: float, balance: float) -> Loss:
    """Return the focal loss: -w (1 - p)^focus log p of the true class's probability p (Lin et al. 2017)."""

    def loss(truth: Any, probability: Any) -> Any:
        right = truth * probability + (1 - truth) * (1 - probability)
        weight = truth * balance + (1 - truth) * (1 - balance)
        charge = weight * ops.power(1 - right, focus) * ops.log(ops.maximum(right, NEAREST))
        return -ops.mean(charge)

    return loss


def weighted(share: float) -> Loss:
    """Return the cross-entropy with each class's weight inverse to its share; `share` is that of class 1."""

    def loss(truth: Any, probability: Any) -> Any:
        right = truth * probability + (1 - truth) * (1 - probability)
        weight = truth / (2 * share) + (1 - truth) / (2 * (1 - share))
        return -ops.mean(weight * ops.log(ops.maximum(right, NEAREST)))

    return loss


def load(settings: FocalSettings) -> Table:
    """Read the rows that `--data` names; the rarer label is the second."""
    if settings.data is not None:
        table = tables.read_csv(Path(settings.data))
    else:
        table = tables.of_set(load_breast_cancer(), "scikit-learn breast cancer")
    if len(table.labels) != 2:
        raise DataError(f"{table.source}: expected 2 labels, found {len(table.labels)}")
    if table.train.classes.mean() > 0.5:
        table = _swapped(table)
    return table


def _swapped(table: Table) -> Table:
    train, validation, held_out = (
        Rows(part.values, 1 - part.classes) for part in (table.train, table.validation, table.held_out)
    )
    return Table(table.features, table.labels[::-1], train, validation, held_out, table.source)


def save_assets(settings: FocalSettings, data: Table, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the names of features and labels, and some held-out rows."""
    atomic.write_json(directory / "features.json", list(data.features))
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(directory / "examples.npz", {"features": data.held_out.values[:64]})


def build(settings: FocalSettings, assets: Path) -> keras.Model:
    """Make the model: features [batch, features] in their own units to the rare label's probability [batch, 1]."""
    width = len(json.loads((assets / "features.json").read_text(encoding="utf-8")))
    features = keras.Input((width,), name="features")
    hidden = Scaling(name="scaling")(features)
    for units in settings.hidden:
        hidden = OwnDense(units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    return keras.Model(features, OwnDense(1, activation="sigmoid", name="probability")(hidden))


def thinned(rows: Rows, share: float | None) -> Rows:
    """Return the rows with class 1 thinned to `share` of all, the first ones staying."""
    if share is None or rows.classes.mean() <= share:
        return rows
    rare, usual = np.flatnonzero(rows.classes == 1), np.flatnonzero(rows.classes == 0)
    kept = np.sort(np.concatenate([usual, rare[: max(1, round(len(usual) * share / (1 - share)))]]))
    return Rows(rows.values[kept], rows.classes[kept])


def fit(model: keras.Model, settings: FocalSettings, data: Table, loop: Loop) -> None:
    """Train on thinned rows by a loop of our own, and watch loss and F1 on rows as they are."""
    rows = thinned(data.train, settings.rare)
    model.get_layer("scaling").measure(rows.values)
    model.compile(keras.optimizers.Adam(settings.learning_rate))
    loss = focal(settings.focus, settings.balance)
    if settings.loss == "weighted":
        loss = weighted(float(rows.classes.mean()))
    seen, score = F1(), F1()

    @tf.function(reduce_retracing=True)
    def step(values: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            probability = model(values, training=True)
            charge = loss(truth, probability)
        gradients = tape.gradient(charge, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
        seen.update_state(truth, probability)
        return charge

    def train(epoch: int) -> Iterator[dict[str, float]]:
        seen.reset_state()
        for chosen in _batches(len(rows), settings, epoch):
            truth = rows.classes[chosen, None].astype(np.float32)
            yield {"loss": float(step(tf.constant(rows.values[chosen]), tf.constant(truth)))}

    def validate() -> dict[str, float]:
        truth = data.validation.classes[:, None].astype(np.float32)
        probability = model(data.validation.values, training=False)
        score.reset_state()
        score.update_state(truth, probability)
        values = {"val_loss": loss(truth, probability), "val_f1": score.result(), "f1": seen.result()}
        return {name: float(value) for name, value in values.items()}

    steps = -(-len(rows) // settings.batch_size)
    train_epochs(model, settings, loop, steps=steps, train=train, validate=validate)


def _batches(count: int, settings: FocalSettings, epoch: int) -> Iterator[np.ndarray]:
    order = np.random.default_rng((settings.seed, epoch)).permutation(count)
    yield from (order[start : start + settings.batch_size] for start in range(0, count, settings.batch_size))


def evaluate(model: keras.Model, settings: FocalSettings, data: Table, directory: Path) -> dict[str, float]:
    """Measure F1, precision and recall of the rare label on held-out rows; draw the confusion and the trade."""
    probability = model.predict(data.held_out.values, batch_size=settings.batch_size, verbose=0)[:, 0]
    classes = data.held_out.classes
    claimed = probability >= 0.5
    both = np.stack([1 - probability, probability], axis=1)
    measured = evaluation.report(both, classes, data.labels, directory)
    precision, recall, _ = precision_recall_curve(classes, probability)
    points = {data.labels[1]: list(zip(recall, precision, strict=True))}
    plots.curves(points, directory / "precision-recall.png", "Held out", "recall", "precision")
    return {
        "f1": float(f1_score(classes, claimed)),
        "precision": float(classes[claimed].mean()) if claimed.any() else 0.0,
        "recall": float(claimed[classes == 1].mean()),
        **measured,
    }


JOB = Job(
    name="tumours-focal",
    word="classify",
    settings=FocalSettings,
    profiles=PROFILES,
    expected=(Expectation("f1", at_least=0.95),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

"""Which object a picture shows, learnt from few pictures: a residual network that has learnt to see elsewhere.

    python -m training objects-resnet                    30 drawn objects of each kind, about 1.5 minutes on 2 cores
    python -m training objects-resnet --data FOLDER      one subfolder of images for each class
    python -m training objects-resnet --profile full     ResNet50 at 64x64, hours on 2 cores

A new head on a frozen base, then the base's last stage at a rate of 1e-5; batch normalisation stays in inference mode.
The base has ImageNet's weights if it is ResNet50 (full) and they can be had; otherwise it is first trained here, on drawn
objects of ten other kinds. The quick profile's base is a small network of the same blocks, for ResNet50 does not learn to
see in a minute. Beside it a twin, the same network, learns the same pictures from nothing for as many epochs.
Expected, held out: better than the twin (quick). Knows nothing of the other jobs.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, PositiveInt

from training import atomic, plots
from training.classify import evaluation, filters, objects, residual, shapes
from training.classify.augmentation import Augmentation
from training.classify.objects import PictureSettings
from training.classify.pictures import Part, Pictures
from training.epochs import train_epochs
from training.job import Expectation, Job, Loop, Profile, Summary

BASE = "base.weights.h5"
LOSS = "sparse_categorical_crossentropy"
AUGMENTATION = Augmentation(turn=0.03, zoom=0.1, shift=0.07, flip=True, contrast=0.1, beyond="edge")


class TransferSettings(PictureSettings):
    """Settings of `objects-resnet`: of `epochs`, the first `head_epochs` train the head alone, the others the base's
    last stage too, at `tuning_rate`. `shots` pictures of each class are learnt from, all if None. A base that is
    trained here sees `source_pictures` for `source_epochs`; a small one has `stages`.
    """

    base: residual.Kind = "small"
    side: Annotated[int, Field(ge=32, le=224)] = 32
    stages: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=4)] = (16, 32, 64)
    epochs: PositiveInt = 24
    head_epochs: PositiveInt = 18
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    tuning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-5
    dense: PositiveInt = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    shots: Annotated[int, Field(ge=1)] | None = 30
    source_pictures: Annotated[int, Field(ge=80)] = 4000
    source_epochs: PositiveInt = 6


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {"pictures": 2000},
    "full": {
        "base": "resnet50", "side": 64, "shots": None, "pictures": 8000,
        "source_pictures": 20000, "source_epochs": 30,
    },
    "smoke": {
        "pictures": 80, "shots": 2, "epochs": 2, "head_epochs": 1, "dense": 64, "stages": (8,),
        "source_pictures": 80, "source_epochs": 1,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is learnt, and where the base learnt to see: from `source`, or from ImageNet's `weights`."""

    target: Pictures
    source: Pictures | None
    weights: residual.Weights | None

    @property
    def summary(self) -> Summary:
        """Where the pictures come from, and how many there are in each part."""
        learnt, sizes = self.target.summary, dict(self.target.summary.sizes)
        if self.source is None:
            return Summary(f"{learnt.source}; base with ImageNet's weights", sizes)
        sizes["source"] = len(self.source.train)
        return Summary(f"{learnt.source}; base trained here on {self.source.source} of other kinds", sizes)


def load(settings: TransferSettings) -> Transfer:
    """Draw or read the pictures that `--data` names, and those, or the weights, that the base learnt from."""
    data = objects.read(settings, settings.side)
    train = few(data.train, settings.shots)
    target = Pictures(train, data.validation, data.held_out, data.labels, data.source)
    weights = residual.imagenet() if settings.base == "resnet50" else None
    source = None if weights else objects.draw(shapes.OTHERS, settings.source_pictures, settings.side)
    return Transfer(target, source, weights)


def few(part: Part, shots: int | None) -> Part:
    """Return the first `shots` pictures of each class; all if None."""
    if shots is None:
        return part
    rows = np.concatenate([np.flatnonzero(part.classes == each)[:shots] for each in np.unique(part.classes)])
    return Part(part.pixels[rows], part.classes[rows])


def save_assets(settings: TransferSettings, data: Transfer, directory: Path) -> None:
    """Keep the labels, some held-out pictures, and the base once it can see."""
    atomic.write_json(directory / "labels.json", list(data.target.labels))
    atomic.write_arrays(directory / "examples.npz", {"image": data.target.held_out.pixels[:16]})
    base = residual.build(settings.base, settings.side, settings.stages)
    if data.source is not None:
        _learn(head(base, len(data.source.labels), settings), data.source, settings, settings.source_epochs)
    elif data.weights is not None:
        base.set_weights(data.weights)
    base.save_weights(directory / BASE)


def build(settings: TransferSettings, assets: Path) -> keras.Model:
    """Make the network on the base that was kept: image [batch, side, side, 3] to a probability for each label."""
    labels = json.loads((assets / "labels.json").read_text(encoding="utf-8"))
    base = residual.build(settings.base, settings.side, settings.stages)
    base.load_weights(assets / BASE)
    residual.freeze_all_but_last_stage(base, settings.base, settings.stages)
    return head(base, len(labels), settings, frozen=True)


def head(base: keras.Model, labels: int, settings: TransferSettings, *, frozen: bool = False) -> keras.Model:
    """Put a new head on a base; the batch normalisation of a `frozen` one is in inference mode also in training."""
    image = keras.Input((settings.side, settings.side, 3), name="image")
    seen = base(image, training=False) if frozen else base(image)
    hidden = keras.layers.GlobalAveragePooling2D()(seen)
    hidden = keras.layers.Dense(settings.dense, activation="relu")(hidden)
    hidden = keras.layers.Dropout(settings.dropout)(hidden)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(hidden)
    return keras.Model(image, probabilities, name="objects_resnet")


def fit(model: keras.Model, settings: TransferSettings, data: Transfer, loop: Loop) -> None:
    """Train the head alone, then also the base's last stage at a much lower rate."""
    target, base = data.target, model.get_layer("base")
    model.compile(keras.optimizers.Adam(settings.learning_rate), LOSS, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)  # of both phases: the second goes on with the first's
    tuned = {id(variable) for variable in base.trainable_variables}
    of_head = [variable for variable in model.trainable_variables if id(variable) not in tuned]
    steps = [_step(model, variables) for variables in (of_head, model.trainable_variables)]
    batches = AUGMENTATION.batches(target.train.pixels, target.train.classes, settings.batch_size)

    def train(epoch: int) -> Iterator[dict[str, float]]:
        tuning = epoch >= settings.head_epochs
        model.optimizer.learning_rate = settings.tuning_rate if tuning else settings.learning_rate
        for pixels, classes in batches:
            loss, hits = steps[tuning](pixels, classes)
            yield {"loss": float(loss), "accuracy": float(hits)}

    def validate() -> dict[str, float]:
        seen = target.validation
        loss, accuracy = model.evaluate(seen.pixels, seen.classes, settings.batch_size, verbose=0)
        return {"val_loss": loss, "val_accuracy": accuracy}

    count = -(-len(target.train) // settings.batch_size)
    train_epochs(model, settings, loop, steps=count, train=train, validate=validate)


def _step(model: keras.Model, variables: list[Any]) -> Any:
    @tf.function(reduce_retracing=True)
    def step(pixels: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            probabilities = model(pixels, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(classes, probabilities))
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        hits = tf.argmax(probabilities, axis=1, output_type=classes.dtype) == classes
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    return step


def _learn(model: keras.Model, data: Pictures, settings: TransferSettings, epochs: int) -> list[float]:
    """Train all of a model from nothing; return the validation accuracy after each epoch."""
    steps = -(-len(data.train) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * epochs)
    model.compile(keras.optimizers.Adam(rate), LOSS, metrics=["accuracy"])
    history = model.fit(
        AUGMENTATION.batches(data.train.pixels, data.train.classes, settings.batch_size),
        shuffle=False,  # they already are
        validation_data=(data.validation.pixels, data.validation.classes),
        epochs=epochs,
        verbose=0,
    )
    accuracy: list[float] = history.history["val_accuracy"]
    return accuracy


def evaluate(
    model: keras.Model, settings: TransferSettings, data: Transfer, directory: Path
) -> dict[str, float]:
    """Measure held-out pictures; train the twin, and tell both apart."""
    held_out, target = data.target.held_out, data.target
    probabilities = model.predict(held_out.pixels, batch_size=settings.batch_size, verbose=0)
    metrics = evaluation.report(probabilities, held_out.classes, target.labels, directory, held_out.pixels)
    twin = head(residual.build(settings.base, settings.side, settings.stages), len(target.labels), settings)
    course = _learn(twin, target, settings, settings.epochs)
    told = twin.predict(held_out.pixels, batch_size=settings.batch_size, verbose=0).argmax(axis=1)
    metrics["twin_accuracy"] = float((told == held_out.classes).mean())
    metrics["gain_on_twin"] = metrics["accuracy"] - metrics["twin_accuracy"]
    atomic.write_text(directory / "transfer.txt", transfer_table(metrics, settings, data))
    plots.curves(
        {
            "from nothing, validation": list(enumerate(course, start=1)),
            "transfer, held out": [(1, metrics["accuracy"]), (len(course), metrics["accuracy"])],
        },
        directory / "transfer.png", "Transfer against learning from nothing", "epoch of the twin", "accuracy",
    )  # fmt: skip
    AUGMENTATION.preview(target.train.pixels, directory / "augmentation.png")
    filters.draw(model.get_layer("base"), held_out.pixels[0], directory)
    return metrics


def transfer_table(metrics: dict[str, float], settings: TransferSettings, data: Transfer) -> str:
    """Return what each of the two saw, and how good it is."""
    seen = (
        "ImageNet"
        if data.source is None
        else f"{len(data.source.train)} pictures of other kinds, {settings.source_epochs} epochs"
    )
    count = len(data.target.train)
    return f"""Transfer against learning from nothing, {settings.base}, held out

| | seen before | seen | accuracy |
| --- | --- | --- | --- |
| transfer | {seen} | {count} pictures, {settings.epochs} epochs | {metrics["accuracy"]:.3f} |
| twin | nothing | {count} pictures, {settings.epochs} epochs | {metrics["twin_accuracy"]:.3f} |
"""


JOB = Job(
    name="objects-resnet",
    word="classify",
    settings=TransferSettings,
    profiles=PROFILES,
    expected=(Expectation("gain_on_twin", at_least=0.01),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

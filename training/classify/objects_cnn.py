"""Which object a picture in colour shows: a convolutional network as they are made for CIFAR-10, from nothing.

    python -m training objects-cnn                       drawn objects of ten kinds, about a minute on 2 cores
    python -m training objects-cnn --data cifar10        CIFAR-10, fetched by Keras
    python -m training objects-cnn --data FOLDER         one subfolder of images for each class

Three blocks of two convolutions with batch normalisation. Expected accuracy, held out: 0.95 (quick, drawn objects).
Knows nothing of the other jobs.
"""

import json
from pathlib import Path
from typing import Annotated

import keras
from pydantic import Field, PositiveInt

from training import atomic
from training.classify import evaluation, filters, objects
from training.classify.augmentation import Augmentation
from training.classify.objects import PictureSettings
from training.classify.pictures import Pictures
from training.job import Expectation, Job, Loop, Profile

SIDE = 32


class ObjectsSettings(PictureSettings):
    """Settings of `objects-cnn`: `filters` of each block's two convolutions; `turn`, `zoom`, `shift` and `contrast`
    bound the random changes to training pictures.
    """

    epochs: PositiveInt = 6
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    filters: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 64, 128)
    dense: PositiveInt = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    dense_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    turn: Annotated[float, Field(ge=0, le=0.25)] = 0.03
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    shift: Annotated[float, Field(ge=0, le=0.3)] = 0.07
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.1
    flip: bool = True

    @property
    def augmentation(self) -> Augmentation:
        """The random changes to training pictures."""
        return Augmentation(self.turn, self.zoom, self.shift, self.flip, self.contrast, beyond="edge")


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {"patience": 5, "plateau_patience": 2},
    "full": {"epochs": 100, "pictures": 40000, "batch_size": 64, "patience": 12, "plateau_patience": 4},
    "smoke": {"epochs": 1, "pictures": 80, "filters": (4, 4, 8), "dense": 8},
}


def load(settings: ObjectsSettings) -> Pictures:
    """Draw or read the pictures that `--data` names."""
    return objects.read(settings, SIDE)


def save_assets(settings: ObjectsSettings, data: Pictures, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the labels and some held-out pictures."""
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(directory / "examples.npz", {"image": data.held_out.pixels[:64]})


def build(settings: ObjectsSettings, assets: Path) -> keras.Model:
    """Make the network: image [batch, 32, 32, 3] to a probability for each label."""
    labels = json.loads((assets / "labels.json").read_text(encoding="utf-8"))
    image = keras.Input((SIDE, SIDE, 3), name="image")
    hidden = image
    for block, count in enumerate(settings.filters, start=1):
        for place in (1, 2):
            name = f"block{block}_conv{place}"
            hidden = keras.layers.Conv2D(count, 3, padding="same", use_bias=False, name=name)(hidden)
            # Few batches make an epoch: the usual momentum of 0.99 would leave its averages far behind.
            hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
            hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    hidden = keras.layers.Flatten()(hidden)
    hidden = keras.layers.Dense(settings.dense, use_bias=False)(hidden)
    # Without it the layer dies before it has learnt anything: see the README's "Tried".
    hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
    hidden = keras.layers.ReLU()(hidden)
    hidden = keras.layers.Dropout(settings.dense_dropout)(hidden)
    probabilities = keras.layers.Dense(len(labels), activation="softmax", name="probabilities")(hidden)
    return keras.Model(image, probabilities, name="objects_cnn")


def fit(model: keras.Model, settings: ObjectsSettings, data: Pictures, loop: Loop) -> None:
    """Train with Adam on changed pictures; the harness slows down on a plateau and stops early."""
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        settings.augmentation.batches(data.train.pixels, data.train.classes, settings.batch_size),
        shuffle=False,  # they already are
        validation_data=(data.validation.pixels, data.validation.classes),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def evaluate(
    model: keras.Model, settings: ObjectsSettings, data: Pictures, directory: Path
) -> dict[str, float]:
    """Measure held-out pictures, and draw mistakes, filters, activations and what augmentation does."""
    held_out = data.held_out
    probabilities = model.predict(held_out.pixels, batch_size=settings.batch_size, verbose=0)
    settings.augmentation.preview(data.train.pixels, directory / "augmentation.png")
    filters.draw(model, held_out.pixels[0], directory)
    return evaluation.report(probabilities, held_out.classes, data.labels, directory, held_out.pixels)


JOB = Job(
    name="objects-cnn",
    word="classify",
    settings=ObjectsSettings,
    profiles=PROFILES,
    expected=(Expectation("accuracy", at_least=0.95),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

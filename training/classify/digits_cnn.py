"""Which digit a picture shows: a small convolutional network on 28x28 grey pictures.

    python -m training digits-cnn                        scikit-learn's digits, about 20 s on 2 cores
    python -m training digits-cnn --data mnist           MNIST, fetched by Keras (43 times the pictures)
    python -m training digits-cnn --data FOLDER          one subfolder of images for each class

Expected accuracy, held out: 0.99 (quick, scikit-learn's digits). Knows nothing of the other jobs.
"""

import json
from pathlib import Path
from typing import Annotated

import keras
from pydantic import Field, PositiveInt

from training import atomic
from training.classify import evaluation, filters, pictures
from training.classify.augmentation import Augmentation
from training.classify.pictures import SIDE, Pictures
from training.job import Expectation, Job, Loop, Profile, Settings


class DigitsSettings(Settings):
    """Settings of `digits-cnn`; `shift`, `turn` and `zoom` bound the random changes to training pictures,
    as shares of the side, of a full circle and of the size.
    """

    epochs: PositiveInt = 12
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    filters: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 64, 64)
    dense: PositiveInt = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    shift: Annotated[float, Field(ge=0, le=0.3)] = 0.07
    turn: Annotated[float, Field(ge=0, le=0.25)] = 0.03
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.1

    @property
    def augmentation(self) -> Augmentation:
        """The random changes to training pictures."""
        return Augmentation(self.turn, self.zoom, self.shift)


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {"patience": 6},
    "full": {"epochs": 60, "patience": 20},
    "smoke": {"epochs": 3, "filters": (4, 4, 4), "dense": 8, "batch_size": 256},
}


def load(settings: DigitsSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: DigitsSettings, data: Pictures, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the labels and some held-out pictures."""
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(directory / "examples.npz", {"image": data.held_out.pixels[:64]})


def build(settings: DigitsSettings, assets: Path) -> keras.Model:
    """Make the network: image [batch, 28, 28, 1] to a probability for each label."""
    labels = json.loads((assets / "labels.json").read_text(encoding="utf-8"))
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = image
    for count in settings.filters:
        hidden = keras.layers.Conv2D(count, 3, padding="same", use_bias=False)(hidden)
        # Few batches make an epoch: the usual momentum of 0.99 would leave its averages far behind.
        hidden = keras.layers.BatchNormalization(momentum=0.9)(hidden)
        hidden = keras.layers.ReLU()(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Flatten()(hidden)
    hidden = keras.layers.Dense(settings.dense, activation="relu")(hidden)
    hidden = keras.layers.Dropout(settings.dropout)(hidden)
    probabilities = keras.layers.Dense(len(labels), activation="softmax", name="probabilities")(hidden)
    return keras.Model(image, probabilities, name="digits_cnn")


def fit(model: keras.Model, settings: DigitsSettings, data: Pictures, loop: Loop) -> None:
    """Train with Adam on changed pictures; the learning rate falls to 0 along a cosine."""
    steps = -(-len(data.train) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
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
    model: keras.Model, settings: DigitsSettings, data: Pictures, directory: Path
) -> dict[str, float]:
    """Measure held-out pictures, and draw mistakes, filters, activations and what augmentation does."""
    held_out = data.held_out
    probabilities = model.predict(held_out.pixels, batch_size=settings.batch_size, verbose=0)
    settings.augmentation.preview(data.train.pixels, directory / "augmentation.png")
    filters.draw(model, held_out.pixels[0], directory)
    return evaluation.report(probabilities, held_out.classes, data.labels, directory, held_out.pixels)


JOB = Job(
    name="digits-cnn",
    word="classify",
    settings=DigitsSettings,
    profiles=PROFILES,
    expected=(Expectation("accuracy", at_least=0.98),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

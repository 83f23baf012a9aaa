"""Digits in 32 numbers: an autoencoder of dense layers, 784-256-128-32 and back.

    python -m training digits-autoencoder                    scikit-learn's digits, about 15 s on 2 cores
    python -m training digits-autoencoder --data mnist       MNIST, fetched by Keras
    python -m training digits-autoencoder --data FOLDER      one subfolder of images for each class

Expected error, held out: at most 0.1 of the pixels' variance (quick). Knows nothing of the other jobs.
"""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from pydantic import Field, PositiveInt
from sklearn.decomposition import PCA

from training import atomic, plots
from training.classify import pictures
from training.classify.pictures import SIDE, Pictures
from training.job import Expectation, Job, Loop, Profile, Settings


class AutoencoderSettings(Settings):
    """Settings of `digits-autoencoder`; `hidden` are the widths between the pixels and the `code`."""

    epochs: PositiveInt = 60
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    hidden: tuple[PositiveInt, ...] = (256, 128)
    code: PositiveInt = 32


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 400},
    "smoke": {"epochs": 2, "hidden": (16,), "code": 4, "batch_size": 256},
}


def load(settings: AutoencoderSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: AutoencoderSettings, data: Pictures, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep some held-out pictures."""
    atomic.write_arrays(directory / "examples.npz", {"image": data.held_out.pixels[:64]})


def build(settings: AutoencoderSettings, assets: Path) -> keras.Model:  # noqa: ARG001  # see Job
    """Make the model: image [batch, 28, 28, 1] to image, by the layers `encoder` and `decoder`."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = keras.layers.Flatten()(image)
    for width in settings.hidden:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    code = keras.layers.Dense(settings.code, name="code")(hidden)
    encoder = keras.Model(image, code, name="encoder")
    given = keras.Input((settings.code,), name="code")
    hidden = given
    for width in reversed(settings.hidden):
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    hidden = keras.layers.Dense(SIDE * SIDE, activation="sigmoid")(hidden)
    decoder = keras.Model(given, keras.layers.Reshape((SIDE, SIDE, 1))(hidden), name="decoder")
    return keras.Model(image, decoder(encoder(image)), name="digits_autoencoder")


def fit(model: keras.Model, settings: AutoencoderSettings, data: Pictures, loop: Loop) -> None:
    """Train to rebuild the pictures, with Adam; the learning rate falls to 0 along a cosine."""
    steps = -(-len(data.train) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    model.compile(keras.optimizers.Adam(rate), "mse")
    model.fit(
        data.train.pixels,
        data.train.pixels,
        batch_size=settings.batch_size,
        validation_data=(data.validation.pixels, data.validation.pixels),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def evaluate(
    model: keras.Model, settings: AutoencoderSettings, data: Pictures, directory: Path
) -> dict[str, float]:
    """Measure the error on held-out pictures; draw some beside what they became, and their codes in a plane."""
    pixels = data.held_out.pixels
    rebuilt = model.predict(pixels, batch_size=settings.batch_size, verbose=0)
    codes = model.get_layer("encoder").predict(pixels, batch_size=settings.batch_size, verbose=0)
    beside = np.stack([pixels[:16], rebuilt[:16]], axis=1).reshape(-1, SIDE, SIDE)
    plots.tiles(beside, directory / "rebuilt.png", "Held-out pictures, each beside what it became")
    plane = PCA(2).fit_transform(codes)
    groups = {label: plane[data.held_out.classes == index] for index, label in enumerate(data.labels)}
    plots.plane(groups, directory / "codes.png", "Codes of held-out pictures, two principal axes")
    error = float(np.square(pixels - rebuilt).mean())
    variance = float(np.square(pixels - data.train.pixels.mean(axis=0)).mean())
    return {"error": error, "share_of_variance": error / variance}


JOB = Job(
    name="digits-autoencoder",
    word="predict",
    settings=AutoencoderSettings,
    profiles=PROFILES,
    expected=(Expectation("share_of_variance", at_most=0.1),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

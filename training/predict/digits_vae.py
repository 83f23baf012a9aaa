"""Digits from a plane of chance: a variational autoencoder (Kingma and Welling 2014) of dense layers.

    python -m training digits-vae                    scikit-learn's digits, about 15 s on 2 cores
    python -m training digits-vae --data mnist       MNIST, fetched by Keras
    python -m training digits-vae --data FOLDER      one subfolder of images for each class

The random draw is part of training alone: what is exported has none, so that its answers can be repeated. Expected
error, held out: at most 0.2 of the pixels' variance (quick). Knows nothing of the other jobs.
"""

from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops
from pydantic import Field, PositiveInt
from sklearn.decomposition import PCA

from training import atomic, plots
from training.classify import pictures
from training.classify.pictures import SIDE, Pictures
from training.job import Expectation, Job, Loop, Profile, Settings


class VaeSettings(Settings):
    """Settings of `digits-vae`; `hidden` are the widths between pixels and `latent` numbers, `divergence` weighs the
    divergence from the normal distribution against the error in nats (Higgins et al. 2017).
    """

    epochs: PositiveInt = 70
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    hidden: tuple[PositiveInt, ...] = (256, 128)
    latent: PositiveInt = 16
    divergence: Annotated[float, Field(gt=0, le=10)] = 0.5


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 500},
    "smoke": {"epochs": 2, "hidden": (16,), "latent": 4, "batch_size": 256},
}


class Draw(keras.layers.Layer):
    """Draw from the normal distribution of a mean and a log-variance, and charge for its divergence from N(0, 1).

    Outside training the draw is the mean. The charge is in nats a picture, times `weight`.
    """

    def __init__(self, weight: float, **options: Any) -> None:
        super().__init__(**options)
        self.weight = weight
        self.seed = keras.random.SeedGenerator()

    def call(self, mean: Any, log_variance: Any, *, training: bool = False) -> Any:
        """Return [batch, latent]."""
        divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(self.weight * ops.mean(divergence))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seed)
        return mean + ops.exp(0.5 * log_variance) * noise


def load(settings: VaeSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: VaeSettings, data: Pictures, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep some held-out pictures."""
    atomic.write_arrays(directory / "examples.npz", {"image": data.held_out.pixels[:64]})


def build(settings: VaeSettings, assets: Path) -> keras.Model:  # noqa: ARG001  # see Job
    """Make the model: image [batch, 28, 28, 1] to image, by the layers `encoder`, `draw` and `decoder`."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = keras.layers.Flatten()(image)
    for width in settings.hidden:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    mean = keras.layers.Dense(settings.latent, name="mean")(hidden)
    log_variance = keras.layers.Dense(settings.latent, name="log_variance")(hidden)
    encoder = keras.Model(image, [mean, log_variance], name="encoder")
    given = keras.Input((settings.latent,), name="latent")
    hidden = given
    for width in reversed(settings.hidden):
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    hidden = keras.layers.Dense(SIDE * SIDE, activation="sigmoid")(hidden)
    decoder = keras.Model(given, keras.layers.Reshape((SIDE, SIDE, 1))(hidden), name="decoder")
    rebuilt = decoder(Draw(settings.divergence, name="draw")(*encoder(image)))
    return keras.Model(image, rebuilt, name="digits_vae")


def nats(truth: Any, rebuilt: Any) -> Any:
    """Return the cross-entropy of a picture's pixels, summed over them [batch]."""
    return ops.sum(ops.binary_crossentropy(truth, rebuilt), axis=(1, 2, 3))


def fit(model: keras.Model, settings: VaeSettings, data: Pictures, loop: Loop) -> None:
    """Train the evidence lower bound with Adam; the learning rate falls to 0 along a cosine."""
    steps = -(-len(data.train) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    model.compile(keras.optimizers.Adam(rate), nats)
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


def evaluate(model: keras.Model, settings: VaeSettings, data: Pictures, directory: Path) -> dict[str, float]:
    """Measure error and divergence on held-out pictures; draw the latent space, new digits and a way between two."""
    pixels = data.held_out.pixels
    rebuilt = model.predict(pixels, batch_size=settings.batch_size, verbose=0)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    mean, log_variance = encoder.predict(pixels, batch_size=settings.batch_size, verbose=0)
    plane = PCA(2).fit_transform(mean)
    groups = {label: plane[data.held_out.classes == index] for index, label in enumerate(data.labels)}
    plots.plane(groups, directory / "latent.png", "Means of held-out pictures, two principal axes")
    drawn = np.random.default_rng(settings.seed).standard_normal((32, settings.latent))
    new = decoder.predict(drawn, verbose=0)[..., 0]
    plots.tiles(new, directory / "drawn.png", "Pictures of random numbers")
    way = np.concatenate([between(mean[start], mean[start + 1], 8) for start in range(0, 8, 2)])
    passed = decoder.predict(way, verbose=0)[..., 0]
    plots.tiles(passed, directory / "interpolation.png", "From one held-out picture to another")
    error = float(np.square(pixels - rebuilt).mean())
    variance = float(np.square(pixels - data.train.pixels.mean(axis=0)).mean())
    divergence = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum(axis=1)
    return {"error": error, "share_of_variance": error / variance, "divergence": float(divergence.mean())}


def between(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Return `count` points on the line from one to the other, both ends included."""
    shares = np.linspace(0, 1, count)[:, None]
    points: np.ndarray = (1 - shares) * start + shares * end
    return points


JOB = Job(
    name="digits-vae",
    word="predict",
    settings=VaeSettings,
    profiles=PROFILES,
    expected=(Expectation("share_of_variance", at_most=0.2),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

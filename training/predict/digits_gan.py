"""Digits from noise: a generator and a discriminator of dense layers against each other (Goodfellow et al. 2014).

    python -m training digits-gan                    scikit-learn's digits, about a minute on 2 cores
    python -m training digits-gan --data mnist       MNIST, fetched by Keras

The generator is 100-256-512-1024-784 with batch normalisation, the discriminator has dropout; both learn with Adam
(rate 2e-4, beta_1 0.5: Radford, Metz and Chintala 2016). After each epoch a classifier of real pictures scores what is
generated: exp of the mean divergence of each picture's labels from all labels' (Salimans et al. 2016), 1 to the number
of labels. Expected score: at least 4 of 10 (quick). Knows nothing of the other jobs.
"""

from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from pydantic import Field, PositiveInt

from training import atomic, plots
from training.classify import pictures
from training.classify.numpy_network import Network
from training.classify.pictures import SIDE, Pictures
from training.job import Expectation, Job, Loop, Profile, Settings
from training.steady import steady

JUDGED = 512
"""How many pictures are generated to be scored."""


class GanSettings(Settings):
    """Settings of `digits-gan`; `hidden` are the generator's widths between `noise` numbers and the pixels, mirrored
    without the widest in the discriminator.
    """

    epochs: PositiveInt = 110
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.01)] = 2e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    noise: PositiveInt = 100
    hidden: tuple[PositiveInt, ...] = (256, 512, 1024)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 600},
    "smoke": {"epochs": 2, "hidden": (16, 16), "noise": 8, "batch_size": 256},
}


class Adversaries(keras.Model):
    """A generator and a discriminator, and the step that trains each against the other."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model) -> None:
        super().__init__(name="digits_gan")
        self.generator = generator
        self.discriminator = discriminator
        self.draws = keras.random.SeedGenerator()

    def call(self, noise: Any, *, training: bool = False) -> Any:
        """Return how real the pictures made from `noise` look."""
        return self.discriminator(self.generator(noise, training=training), training=training)

    def train_step(self, real: Any) -> dict[str, Any]:
        """Make one step of the discriminator, then one of the generator."""
        noise = keras.random.normal((ops.shape(real)[0], self.generator.input_shape[-1]), seed=self.draws)
        with tf.GradientTape() as tape:
            made = self.generator(noise, training=True)
            loss = _charge(1.0, self.discriminator(real, training=True)) / 2
            loss += _charge(0.0, self.discriminator(made, training=True)) / 2
        self._learn(tape, loss, self.discriminator.trainable_variables)
        with tf.GradientTape() as tape:
            made = self.generator(noise, training=True)
            wanted = _charge(1.0, self.discriminator(made, training=True))
        self._learn(tape, wanted, self.generator.trainable_variables)
        return {"loss": wanted, "discriminator_loss": loss}

    def _learn(self, tape: tf.GradientTape, loss: Any, weights: Any) -> None:
        # One optimizer for both: Adam's moments belong to a weight, and each weight to one of them.
        self.optimizer.apply(tape.gradient(loss, weights), weights)


def _charge(truth: float, reality: Any) -> Any:
    """Return the mean cross-entropy of how real pictures look, all of them being `truth`."""
    return ops.mean(ops.binary_crossentropy(ops.full_like(reality, truth), reality))


def load(settings: GanSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: GanSettings, data: Pictures, directory: Path) -> None:
    """Keep some noise, and some held-out pictures."""
    noise = _noise(settings, 64)
    atomic.write_arrays(directory / "examples.npz", {"noise": noise, "image": data.held_out.pixels[:64]})


def build(settings: GanSettings, assets: Path) -> Adversaries:  # noqa: ARG001  # see Job
    """Make both: noise [batch, noise] to image [batch, 28, 28, 1], and image to how real it looks [batch, 1]."""
    noise = keras.Input((settings.noise,), name="noise")
    hidden = noise
    for width in settings.hidden:
        hidden = keras.layers.Dense(width)(hidden)
        hidden = keras.layers.LeakyReLU(negative_slope=0.2)(hidden)
        hidden = keras.layers.BatchNormalization(momentum=0.8)(hidden)
    hidden = keras.layers.Dense(SIDE * SIDE, activation="sigmoid")(hidden)
    generator = keras.Model(noise, keras.layers.Reshape((SIDE, SIDE, 1))(hidden), name="generator")
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = keras.layers.Flatten()(image)
    for width in reversed(settings.hidden[:-1]):
        hidden = keras.layers.Dense(width)(hidden)
        hidden = keras.layers.LeakyReLU(negative_slope=0.2)(hidden)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
    reality = keras.layers.Dense(1, activation="sigmoid", name="reality")(hidden)
    adversaries = Adversaries(generator, keras.Model(image, reality, name="discriminator"))
    adversaries.build((None, settings.noise))
    return adversaries


def fit(model: Adversaries, settings: GanSettings, data: Pictures, loop: Loop) -> None:
    """Train both; after each epoch score what is generated from the same noise, and draw it."""
    model.compile(keras.optimizers.Adam(settings.learning_rate, beta_1=settings.beta_1))
    model.optimizer.build(model.trainable_variables)  # of both, before the first step of either
    rows = tf.data.Dataset.from_tensor_slices(data.train.pixels).shuffle(len(data.train))
    model.fit(
        steady(rows.batch(settings.batch_size).prefetch(4)),
        shuffle=False,  # they already are
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=[Critic(settings, classifier(data), loop.pictures), *loop.callbacks],
        verbose=0,
    )


class Critic(keras.callbacks.Callback):
    """Add `val_score` to what is logged of an epoch, and draw what is generated from always the same noise."""

    def __init__(self, settings: GanSettings, judge: Network, directory: Path | None) -> None:
        super().__init__()
        self._noise, self._judge, self._directory = _noise(settings, JUDGED), judge, directory

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write into the dictionary that the later callbacks read."""
        made = np.asarray(self.model.generator(self._noise, training=False))
        if logs is not None:
            logs["val_score"] = score(self._judge, made)
        if self._directory is not None:
            self._directory.mkdir(exist_ok=True)
            plots.sheet(made[:32, :, :, 0], self._directory / f"epoch-{epoch + 1:04d}.png")


def classifier(data: Pictures) -> Network:
    """Return a classifier of the real pictures, in NumPy; the same for the same pictures."""
    network = Network((SIDE * SIDE, 128, 64, len(data.labels)), dropout_rate=0.1, seed=0)
    generator = np.random.default_rng(0)
    network.optimizer.learning_rate, network.optimizer.momentum = 0.02, 0.9
    pixels = data.train.pixels.reshape(len(data.train), -1)
    for _ in range(15):
        order = generator.permutation(len(pixels))
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            _, _, gradients = network.gradients(pixels[rows], data.train.classes[rows], generator)
            network.optimizer.apply(network.weights, gradients)
    return network


def score(judge: Network, made: np.ndarray) -> float:
    """Return exp of the mean divergence of each picture's labels from the labels of all (Salimans et al. 2016)."""
    labels = np.maximum(judge.probabilities(made.reshape(len(made), -1)), 1e-12)
    divergence = (labels * (np.log(labels) - np.log(labels.mean(axis=0)))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def evaluate(model: Adversaries, settings: GanSettings, data: Pictures, directory: Path) -> dict[str, float]:
    """Score new pictures beside real ones, and draw some of them."""
    made = np.asarray(model.generator(_noise(settings, JUDGED, salt=1), training=False))
    judge = classifier(data)
    plots.tiles(made[:64, :, :, 0], directory / "generated.png", "Generated from new noise")
    return {"score": score(judge, made), "score_of_real": score(judge, data.held_out.pixels)}


def _noise(settings: GanSettings, count: int, *, salt: int = 0) -> np.ndarray:
    generator = np.random.default_rng((settings.seed, salt))
    return generator.standard_normal((count, settings.noise)).astype(np.float32)


JOB = Job(
    name="digits-gan",
    word="predict",
    settings=GanSettings,
    profiles=PROFILES,
    expected=(Expectation("score", at_least=4.0),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
    monitor="val_score",
    mode="max",
)

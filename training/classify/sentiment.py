"""What jobs that classify texts share: settings, words and windows, training, and how well it went.

Knows a model by its input `ids` and its output `probabilities`; knows nothing of what is between them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, PositiveInt
from sklearn.metrics import confusion_matrix
from tokenizers import Tokenizer

from training import atomic, plots, words
from training.classify import reviews
from training.classify.reviews import Reviews, Texts
from training.errors import DataError
from training.job import Loop, Profile, Settings, Summary
from training.steady import steady
from training.words import UNKNOWN, End, Ids, Side, Window

EXAMPLES = 64
TOKENIZER = "tokenizer.json"
WINDOW = "window.json"


class TextSettings(Settings):
    """Settings of jobs that classify texts.

    A model sees as many words as a share `cover` of the training texts has, at most `longest`; of longer ones it sees
    the `first` or the `last` (`keep`). Training pads on the side `padding`; the answers do not hang on it. `made`
    reviews are made to train on if there are no `data`. Words that occur fewer than `fewest` times are unknown, and so
    is a share `unknown` of all words in training, that the model can read what is not in its vocabulary.
    """

    epochs: PositiveInt = 7
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 3e-3
    made: Annotated[int, Field(ge=20)] = 8000
    vocabulary: Annotated[int, Field(ge=10)] = 20_000
    fewest: PositiveInt = 2
    cover: Annotated[float, Field(gt=0, le=1)] = 0.98
    longest: Annotated[int, Field(ge=8, le=2048)] = 400
    keep: End = "last"
    padding: Side = "right"
    unknown: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    embedding: PositiveInt = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


SMOKE: Mapping[str, object] = {
    "epochs": 1, "made": 64, "embedding": 4, "cover": 0.5, "longest": 32,
}  # fmt: skip
"""What the smoke profiles of such jobs have in common."""


@dataclass(frozen=True, slots=True)
class Words:
    """Reviews, the vocabulary of those that are trained on, and the window that most of them fit."""

    reviews: Reviews
    tokenizer: Tokenizer
    window: Window

    @property
    def summary(self) -> Summary:
        """Where the texts come from, and how many there are in each part."""
        return self.reviews.summary

    def ids(self, part: Texts, side: Side = "right") -> Ids:
        """Return the ids of a part [texts, window]."""
        return self.window.rows(words.encode(self.tokenizer, part.texts), side)


def load(settings: TextSettings) -> Words:
    """Make or read the reviews, learn their words, and look how long they are; raises DataError."""
    data = reviews.read(settings.data, settings.made)
    tokenizer = words.learn(data.train.texts, settings.vocabulary, fewest=settings.fewest)
    if tokenizer.get_vocab_size() <= len(words.SPECIAL):
        raise DataError(
            f"{data.source}: no word occurs {settings.fewest} times, so there is nothing to learn from"
        )
    lengths = [len(row) for row in words.encode(tokenizer, data.train.texts)]
    window = words.fitting(lengths, settings.cover, longest=settings.longest, keep=settings.keep)
    return Words(data, tokenizer, window)


def save_assets(settings: TextSettings, data: Words, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep labels, words, the window, and some held-out rows of ids."""
    atomic.write_json(directory / "labels.json", list(data.reviews.labels))
    atomic.write_json(directory / WINDOW, {"length": data.window.length, "keep": data.window.keep})
    words.save(data.tokenizer, directory / TOKENIZER)
    some = Texts(data.reviews.held_out.texts[:EXAMPLES], data.reviews.held_out.classes[:EXAMPLES])
    atomic.write_arrays(directory / "examples.npz", {"ids": data.ids(some)})


def sizes(assets: Path) -> tuple[int, int]:
    """Return how many words and how many labels a run has."""
    vocabulary = Tokenizer.from_file(str(assets / TOKENIZER)).get_vocab_size()
    return vocabulary, len(json.loads((assets / "labels.json").read_text(encoding="utf-8")))


def fit(model: keras.Model, settings: TextSettings, data: Words, loop: Loop) -> None:
    """Train with Adam on `probabilities`; the learning rate falls along a cosine."""
    steps = -(-len(data.reviews.train) // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs, alpha=0.02)
    model.compile(
        keras.optimizers.Adam(rate, clipnorm=1.0),
        {"probabilities": "sparse_categorical_crossentropy"},
        metrics={"probabilities": ["accuracy"]},
    )
    known = data.reviews.validation
    # Keras' metrics want a truth for every output, also for the attention, which has none and no loss.
    truth = dict.fromkeys(model.output_names, known.classes)
    model.fit(
        batches(data, settings, model.output_names),
        shuffle=False,  # they already are
        validation_data=(data.ids(known, settings.padding), truth),
        validation_batch_size=4 * settings.batch_size,
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def batches(data: Words, settings: TextSettings, outputs: Sequence[str]) -> tf.data.Dataset:
    """Return shuffled batches of the training part, a few of whose words are hidden anew each time.

    The classes are the truth of all `outputs`.
    """
    part = data.reviews.train

    def hide(ids: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        hidden = tf.logical_and(tf.random.uniform(tf.shape(ids)) < settings.unknown, ids != words.PAD)
        return tf.where(hidden, UNKNOWN, ids), dict.fromkeys(outputs, classes)

    rows = tf.data.Dataset.from_tensor_slices((data.ids(part, settings.padding), part.classes))
    hidden = rows.shuffle(len(part)).batch(settings.batch_size).map(hide, tf.data.AUTOTUNE)
    return steady(hidden.prefetch(4))


def measure(outputs: Mapping[str, Any], data: Words, directory: Path) -> dict[str, float]:
    """Return accuracy and loss on the held-out texts; draw the confusion matrix, and how long the texts are."""
    classes, probabilities = data.reviews.held_out.classes, np.asarray(outputs["probabilities"])
    counts = confusion_matrix(classes, probabilities.argmax(axis=1), labels=range(len(data.reviews.labels)))
    plots.confusion_matrix(counts, data.reviews.labels, directory / "confusion-matrix.png")
    draw_lengths(data, directory / "lengths.png")
    likelihood = np.maximum(probabilities[np.arange(len(classes)), classes], 1e-7)
    return {"accuracy": float(counts.trace() / counts.sum()), "loss": float(-np.log(likelihood).mean())}


def draw_lengths(data: Words, target: Path) -> None:
    """Draw how many words the training texts have, and where they are cut."""
    lengths = [len(row) for row in words.encode(data.tokenizer, data.reviews.train.texts)]
    with plots.picture(target, "Words in a training text") as axes:
        axes.hist(lengths, bins=40)
        label = f"the {data.window.keep} {data.window.length} are seen"
        axes.axvline(data.window.length, color="black", linestyle="--", label=label)
        axes.set(xlabel="words", ylabel="texts")
        axes.legend()


def profiles(**smoke: object) -> dict[Profile, dict[str, object]]:
    """Return the profiles of such a job; `smoke` are its own smallest sizes."""
    return {
        "quick": {},
        "full": {"epochs": 20, "made": 40_000, "dropout": 0.5, "patience": 4},
        "smoke": {**SMOKE, **smoke},
    }

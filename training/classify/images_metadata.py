"""What to do with an item, and what it is worth: a picture and ten numbers in, a label and a score out.

    python -m training images-metadata                   drawn items of a shop, about a minute on 2 cores
    python -m training images-metadata --data FOLDER     images, and `rows.csv`: image, label, score, and numbers

One network with two inputs and two outputs, each output with a loss and a weight of its own. Expected, held out: accuracy
0.9, and R2 of the score 0.9 (quick). `inputs.txt` tells what is left if one input is another item's.
Knows nothing of the other jobs.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
from pydantic import Field, PositiveInt
from sklearn.metrics import r2_score

from training import atomic, plots
from training.classify import evaluation, filters, items
from training.classify.augmentation import Augmentation
from training.classify.folder import Form
from training.classify.items import Collection, Items
from training.job import Expectation, Job, Loop, Profile, Settings
from training.scaling import Scaling

SIDE = 64
AUGMENTATION = Augmentation(turn=0.03, zoom=0, shift=0.05, flip=True, beyond="edge")
"""Nothing that changes an item's size in the picture: the score is about it."""


class ItemsSettings(Settings):
    """Settings of `images-metadata`: how much the loss of each output weighs, that of the score in shares of its
    variance. `items` are drawn; with `resize` a folder may have images of several sizes.
    """

    epochs: PositiveInt = 16
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    filters: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 64)
    hidden: PositiveInt = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    class_weight: Annotated[float, Field(gt=0)] = 1.0
    score_weight: Annotated[float, Field(gt=0)] = 1.0
    items: Annotated[int, Field(ge=100)] = 5000
    resize: bool = False


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {"patience": 5, "plateau_patience": 2},
    "full": {"epochs": 60, "items": 20000, "filters": (32, 64, 128), "patience": 12, "plateau_patience": 4},
    "smoke": {"epochs": 1, "items": 100, "filters": (4, 4, 4), "hidden": 32},
}


def load(settings: ItemsSettings) -> Collection:
    """Draw items, or read those of the folder that `--data` names."""
    if settings.data is None:
        return items.draw(settings.items, SIDE)
    return items.read(Path(settings.data), Form(SIDE, colour=True, mixed=settings.resize))


def save_assets(settings: ItemsSettings, data: Collection, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the names of numbers and labels, and some held-out items."""
    atomic.write_json(directory / "features.json", list(data.features))
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(
        directory / "examples.npz",
        {"image": data.held_out.pixels[:16], "numbers": data.held_out.numbers[:16]},
    )


def build(settings: ItemsSettings, assets: Path) -> keras.Model:
    """Make the network: image [batch, 64, 64, 3] and numbers [batch, features] in their own units to probabilities
    [batch, labels] and score [batch, 1] in its own unit.
    """
    features, labels = (
        len(json.loads((assets / name).read_text(encoding="utf-8")))
        for name in ("features.json", "labels.json")
    )
    image, numbers = keras.Input((SIDE, SIDE, 3), name="image"), keras.Input((features,), name="numbers")
    measured = keras.layers.Dense(settings.hidden, activation="relu")(Scaling(name="scaling")(numbers))
    together = keras.layers.Concatenate()([_eye(settings)(image), measured])
    for _ in range(2):
        together = keras.layers.Dense(settings.hidden, use_bias=False)(together)
        together = keras.layers.BatchNormalization(momentum=0.9)(together)
        together = keras.layers.ReLU()(together)
    together = keras.layers.Dropout(settings.dropout)(together)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(together)
    score = Scaling(name="score")(keras.layers.Dense(1)(together), back=True)
    return keras.Model(
        {"image": image, "numbers": numbers},
        {"probabilities": probabilities, "score": score},
        name="images_metadata",
    )


def _eye(settings: ItemsSettings) -> keras.Model:
    """Make the part that sees: image [batch, 64, 64, 3] to features [batch, hidden]."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    seen = image
    for block, count in enumerate(settings.filters, start=1):
        for place in (1, 2) if block > 1 else (1,):
            # A picture of 64x64 costs four times one of 32x32: every other pixel's surroundings are enough.
            size, stride = (3, 1) if block > 1 else (5, 2)
            name = f"block{block}_conv{place}"
            seen = keras.layers.Conv2D(count, size, stride, padding="same", use_bias=False, name=name)(seen)
            seen = keras.layers.BatchNormalization(momentum=0.9)(seen)
            seen = keras.layers.ReLU()(seen)
        seen = keras.layers.MaxPooling2D()(seen)
    seen = keras.layers.Dense(settings.hidden, use_bias=False)(keras.layers.Flatten()(seen))
    seen = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(seen))
    return keras.Model(image, seen, name="eye")


def fit(model: keras.Model, settings: ItemsSettings, data: Collection, loop: Loop) -> None:
    """Train both outputs at once; an error of the score counts in shares of the score's variance."""
    model.get_layer("scaling").measure(data.train.numbers)
    model.get_layer("score").measure(data.train.scores[:, None])
    variance = float(data.train.scores.var()) or 1.0
    model.compile(
        keras.optimizers.Adam(settings.learning_rate),
        loss={"probabilities": "sparse_categorical_crossentropy", "score": "mse"},
        loss_weights={"probabilities": settings.class_weight, "score": settings.score_weight / variance},
        metrics={"probabilities": ["accuracy"]},
    )
    beside = (data.train.numbers, _truth(data.train))
    batches = AUGMENTATION.batches(data.train.pixels, beside, settings.batch_size)
    model.fit(
        batches.map(lambda image, rest: ({"image": image, "numbers": rest[0]}, rest[1])),
        shuffle=False,  # they already are
        validation_data=(_inputs(data.validation), _truth(data.validation)),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def _inputs(part: Items) -> dict[str, Any]:
    return {"image": part.pixels, "numbers": part.numbers}


def _truth(part: Items) -> dict[str, Any]:
    return {"probabilities": part.classes, "score": part.scores[:, None]}


def evaluate(
    model: keras.Model, settings: ItemsSettings, data: Collection, directory: Path
) -> dict[str, float]:
    """Measure both outputs on held-out items, with all inputs and with one of them taken from another item."""
    part = data.held_out

    def answer(inputs: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = model.predict(inputs, batch_size=settings.batch_size, verbose=0)
        return found

    told = answer(_inputs(part))
    metrics = evaluation.report(told["probabilities"], part.classes, data.labels, directory, part.pixels)
    metrics["score_r2"] = float(r2_score(part.scores, told["score"]))
    others = np.random.default_rng(settings.seed).permutation(len(part))
    for name, values in _inputs(part).items():
        told_of = answer({**_inputs(part), name: values[others]})
        hits = told_of["probabilities"].argmax(axis=1) == part.classes
        metrics[f"accuracy_without_{name}"] = float(hits.mean())
        metrics[f"score_r2_without_{name}"] = float(r2_score(part.scores, told_of["score"]))
    atomic.write_text(directory / "inputs.txt", inputs_table(metrics))
    points = np.stack([part.scores, told["score"][:, 0]], axis=1)
    plots.plane({"held out": points}, directory / "score.png", "The true score (x) and the model's (y)")
    AUGMENTATION.preview(data.train.pixels, directory / "augmentation.png")
    filters.draw(model.get_layer("eye"), part.pixels[0], directory)
    return metrics


def inputs_table(metrics: dict[str, float]) -> str:
    """Return what each input is worth: the metrics with both, and with one of another item."""
    lines = [
        "What is left if an input is another item's, held out",
        "",
        "| | accuracy | R2 of the score |",
        "| --- | --- | --- |",
    ]
    for what, ending in (
        ("both", ""),
        ("image of another", "_without_image"),
        ("numbers of another", "_without_numbers"),
    ):
        lines.append(f"| {what} | {metrics[f'accuracy{ending}']:.3f} | {metrics[f'score_r2{ending}']:.3f} |")
    return "\n".join(lines) + "\n"


JOB = Job(
    name="images-metadata",
    word="classify",
    settings=ItemsSettings,
    profiles=PROFILES,
    expected=(Expectation("accuracy", at_least=0.9), Expectation("score_r2", at_least=0.9)),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

"""Which of three growers a wine comes from: several networks from several seeds, and what they say together.

    python -m training wine-ensemble                    scikit-learn's wines, 13 measurements, about 15 s
    python -m training wine-ensemble --data rows.csv    a header, a column `label`, every other one a feature

Members differ in their first weights alone (Lakshminarayanan, Pritzel and Blundell 2017). Expected, held out: an
accuracy of at least the best member's (quick). Knows nothing of the other jobs.
"""

import json
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from pydantic import Field, PositiveInt
from sklearn.datasets import load_wine

from training import atomic, plots
from training.classify import calibration, evaluation, tables
from training.classify.tables import Table
from training.job import Expectation, Job, Loop, Profile, Settings
from training.scaling import Scaling


class EnsembleSettings(Settings):
    """Settings of `wine-ensemble`: `members` networks of one layer of `hidden`."""

    epochs: PositiveInt = 80
    batch_size: PositiveInt = 16
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 3e-3
    members: Annotated[int, Field(ge=2, le=64)] = 7
    hidden: PositiveInt = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {"patience": 25},
    "full": {"epochs": 400, "patience": 60, "members": 15},
    "smoke": {"epochs": 2, "members": 3, "hidden": 4},
}


def load(settings: EnsembleSettings) -> Table:
    """Read the rows that `--data` names."""
    if settings.data is not None:
        return tables.read_csv(Path(settings.data))
    return tables.of_set(load_wine(), "scikit-learn wine")


def save_assets(settings: EnsembleSettings, data: Table, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the names of features and labels, and some held-out rows."""
    atomic.write_json(directory / "features.json", list(data.features))
    atomic.write_json(directory / "labels.json", list(data.labels))
    atomic.write_arrays(directory / "examples.npz", {"features": data.held_out.values[:64]})


def build(settings: EnsembleSettings, assets: Path) -> keras.Model:
    """Make the model: features [batch, features] in their own units to probabilities [batch, members, labels]."""
    width, labels = (
        len(json.loads((assets / name).read_text(encoding="utf-8")))
        for name in ("features.json", "labels.json")
    )
    features = keras.Input((width,), name="features")
    scaled = Scaling(name="scaling")(features)
    members = []
    for number in range(settings.members):
        first, second = (
            keras.initializers.GlorotUniform(seed=settings.seed * 1000 + 2 * number + layer)
            for layer in (0, 1)
        )
        hidden = keras.layers.Dense(settings.hidden, activation="relu", kernel_initializer=first)(scaled)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
        members.append(keras.layers.Dense(labels, activation="softmax", kernel_initializer=second)(hidden))
    return keras.Model(features, keras.ops.stack(members, axis=1), name="wine_ensemble")


def fit(model: keras.Model, settings: EnsembleSettings, data: Table, loop: Loop) -> None:
    """Train all members side by side: each one's loss is its own."""
    model.get_layer("scaling").measure(data.train.values)
    model.compile(keras.optimizers.Adam(settings.learning_rate), "sparse_categorical_crossentropy")

    def truth(classes: tables.Classes) -> tables.Classes:
        return np.repeat(classes[:, None], settings.members, axis=1)

    model.fit(
        data.train.values,
        truth(data.train.classes),
        batch_size=settings.batch_size,
        validation_data=(data.validation.values, truth(data.validation.classes)),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def evaluate(
    model: keras.Model, settings: EnsembleSettings, data: Table, directory: Path
) -> dict[str, float]:
    """Measure accuracy and calibration of the mean, of the vote and of single members on held-out rows."""
    members = model.predict(data.held_out.values, batch_size=settings.batch_size, verbose=0)
    classes = data.held_out.classes
    mean = members.mean(axis=1)
    single = (members.argmax(axis=2) == classes[:, None]).mean(axis=0)
    votes = np.eye(len(data.labels))[members.argmax(axis=2)].mean(axis=1)
    measured = evaluation.report(mean, classes, data.labels, directory)
    together, alone = calibration.bins(mean, classes), calibration.bins(members[:, 0], classes)
    plots.curves(
        {"ensemble": calibration.points(together), "first member": calibration.points(alone)},
        directory / "calibration.png", "Calibration, held out", "confidence", "accuracy",
    )  # fmt: skip
    return {
        **measured,
        "accuracy_of_votes": float((votes.argmax(axis=1) == classes).mean()),
        "best_member": float(single.max()),
        "mean_member": float(single.mean()),
        "gain_on_best_member": measured["accuracy"] - float(single.max()),
        "calibration_error": calibration.error(together),
        "calibration_error_of_member": calibration.error(alone),
    }


JOB = Job(
    name="wine-ensemble",
    word="classify",
    settings=EnsembleSettings,
    profiles=PROFILES,
    expected=(Expectation("accuracy", at_least=0.95), Expectation("gain_on_best_member", at_least=0.0)),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

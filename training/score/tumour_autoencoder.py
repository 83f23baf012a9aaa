"""How unlike a benign tumour: an autoencoder that has seen nothing else rebuilds 30 measurements.

    python -m training tumour-autoencoder                    scikit-learn's breast cancer set, about 10 s
    python -m training tumour-autoencoder --data rows.csv    a header, a column `label` (benign, malignant)
    python -m training tumour-autoencoder --data stream.csv  a column `time`, the oldest row first; `label` may be missing
    python -m training tumour-autoencoder --set threshold=f1 or `quantile`, or `deviations`

Expected area under the ROC curve, held out: 0.96 (quick). Knows nothing of the other jobs. Scaling,
score and threshold are weights of the model.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, PositiveInt
from sklearn.metrics import roc_auc_score, roc_curve

from training import atomic, plots
from training.job import Expectation, Job, Loop, Profile, Settings
from training.scaling import Scaling
from training.score import rows, thresholds
from training.score.layers import Verdict
from training.score.rows import Rows, Values
from training.steady import steady

Choice = Literal["deviations", "quantile", "f1"]


class TumourSettings(Settings):
    """Settings of `tumour-autoencoder`.

    `hidden` are the layers up to the narrowest, which are mirrored after it; `noise` is the deviation of
    the noise that training adds to scaled features; `passes` over the rows make an epoch. Rows are anomalous
    above the `threshold`: `deviations` standard deviations over the mean of the scores of training rows, the
    `quantile` of these, or what gives the best F1 (`f1`) on the validation rows and a share `known` of the anomalous ones,
    which then are not held out.
    """

    epochs: PositiveInt = 30
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 3e-3
    patience: PositiveInt | None = 8
    plateau_patience: PositiveInt | None = 3
    hidden: tuple[PositiveInt, ...] = (16, 4)
    noise: Annotated[float, Field(ge=0, le=2)] = 0.1
    passes: PositiveInt = 10
    threshold: Choice = "deviations"
    deviations: Annotated[float, Field(ge=0, le=10)] = 2.0
    quantile: Annotated[float, Field(gt=0, le=1)] = 0.95
    known: Annotated[float, Field(gt=0, lt=1)] = 0.3


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 100, "patience": 20, "plateau_patience": 6},
    "smoke": {"epochs": 3, "passes": 2},
}


def load(settings: TumourSettings) -> Rows:
    """Read the rows that `--data` names."""
    return rows.read(settings.data, known=settings.known if settings.threshold == "f1" else 0.0)


def save_assets(settings: TumourSettings, data: Rows, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the names of the features and some held-out rows, normal and anomalous."""
    atomic.write_json(directory / "features.json", list(data.features))
    truth = np.zeros(len(data.held_out), np.bool_) if data.anomalous is None else data.anomalous
    few = np.concatenate([data.held_out[~truth][:32], data.held_out[truth][:32]])
    atomic.write_arrays(directory / "examples.npz", {"features": few})


def build(settings: TumourSettings, assets: Path) -> keras.Model:
    """Make the model: features [batch, features] in their own units to a dictionary of outputs.

    `score`, `is_anomaly` and `threshold` are [batch]; `contributions`, which add up to the score, and
    `reconstruction`, in the units of the features, are [batch, features].
    """
    width = len(json.loads((assets / "features.json").read_text(encoding="utf-8")))
    features = keras.Input((width,), name="features")
    scaling = Scaling(name="scaling")
    scaled = scaling(features)
    hidden = keras.layers.GaussianNoise(settings.noise)(scaled)
    for size in (*settings.hidden, *settings.hidden[-2::-1]):
        hidden = keras.layers.Dense(size, activation="tanh")(hidden)
    rebuilt = keras.layers.Dense(width)(hidden)
    outputs = Verdict(name="verdict")(scaled, rebuilt)
    outputs["reconstruction"] = scaling(rebuilt, back=True)
    return keras.Model(features, outputs, name="tumour_autoencoder")


def fit(model: keras.Model, settings: TumourSettings, data: Rows, loop: Loop) -> None:
    """Train on benign rows to make their score small, then measure what is usual and set the threshold."""
    model.get_layer("scaling").measure(data.train)
    model.compile(keras.optimizers.Adam(settings.learning_rate), loss={"score": mean_score})
    model.fit(
        batches(data.train, settings, settings.passes),
        shuffle=False,  # they already are
        validation_data=batches(data.validation, settings, 1),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )
    calibrate(model, data, settings)


def mean_score(_: Any, score: Any) -> Any:
    """Return the mean score: there is no other truth than the rows themselves."""
    return keras.ops.mean(score)


def batches(values: Values, settings: TumourSettings, passes: int) -> tf.data.Dataset:
    """Return shuffled batches of `passes` passes over the rows."""
    shuffled = tf.data.Dataset.from_tensor_slices(values).shuffle(len(values)).repeat(passes)
    batched = shuffled.batch(settings.batch_size)
    return steady(batched.map(lambda few: (few, {"score": tf.zeros(tf.shape(few)[0])})))


def calibrate(model: keras.Model, data: Rows, settings: TumourSettings) -> None:
    """Measure the usual error of each feature on benign rows, then set the threshold that was chosen."""
    verdict = model.get_layer("verdict")
    verdict.residual.assign(np.ones(len(data.features)))  # a continued run may have measured before
    known = np.concatenate([data.train, data.validation])
    squared = model.predict(known, verbose=0)["contributions"].mean(axis=0) * len(data.features)
    # A feature that never varies has no error; it then counts in its own units.
    verdict.residual.assign(np.sqrt(np.where(squared > 1e-12, squared, 1.0)))
    verdict.threshold.assign(choices(model, data, settings)[settings.threshold])


def choices(model: keras.Model, data: Rows, settings: TumourSettings) -> dict[Choice, float]:
    """Return the threshold of each choice; that of the best F1 only if there are known anomalous rows."""
    scores = model.predict(data.train, verbose=0)["score"]
    found: dict[Choice, float] = {
        "deviations": thresholds.of_deviations(scores, settings.deviations),
        "quantile": thresholds.of_quantile(scores, settings.quantile),
    }
    if len(data.known_anomalous):
        # Not training rows: those score lower than normal rows that nobody has learnt from.
        known = np.concatenate([data.validation, data.known_anomalous])
        truth = np.arange(len(known)) >= len(known) - len(data.known_anomalous)
        found["f1"] = thresholds.of_best_f1(model.predict(known, verbose=0)["score"], truth)
    return found


def evaluate(model: keras.Model, settings: TumourSettings, data: Rows, directory: Path) -> dict[str, float]:
    """Measure how well scores part held-out rows, and what the threshold makes of them; draw both.

    Without labels there are only alarms to count.
    """
    outputs = model.predict(data.held_out, batch_size=settings.batch_size, verbose=0)
    score, alarm, threshold = outputs["score"], outputs["is_anomaly"], float(outputs["threshold"][0])
    draw_stream(score, data.anomalous, threshold, directory / "over-time.png")
    if data.anomalous is None:
        plots.histogram({"rows": score}, threshold, directory / "scores.png")
        return {"alarms": float(alarm.mean()), "threshold": threshold}
    truth = data.anomalous
    area = float(roc_auc_score(truth, score))
    false_rate, true_rate, _ = roc_curve(truth, score)
    plots.roc_curve(false_rate, true_rate, area, directory / "roc.png")
    plots.histogram({"normal": score[~truth], "anomalous": score[truth]}, threshold, directory / "scores.png")
    compared = {
        name: {"threshold": each, **_verdicts(score, truth, each)}
        for name, each in choices(model, data, settings).items()
    }
    atomic.write_text(directory / "thresholds.txt", table_of(compared))
    return {"auroc": area, **_verdicts(score, truth, threshold), "threshold": threshold}


def _verdicts(score: Values, truth: thresholds.Truth, threshold: float) -> dict[str, float]:
    alarm = score > threshold
    return {
        "found": float(alarm[truth].mean()),
        "false_alarms": float(alarm[~truth].mean()),
        "f1": thresholds.f1(score, truth, threshold),
    }


def table_of(compared: Mapping[Choice, Mapping[str, float]]) -> str:
    """Return a table in Markdown: what each choice of a threshold makes of the held-out rows."""
    names = ("threshold", "found", "false_alarms", "f1")
    lines = [
        f"| by | {' | '.join(name.replace('_', ' ') for name in names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    lines += [
        f"| {by} | {' | '.join(f'{verdicts[name]:.4g}' for name in names)} |"
        for by, verdicts in compared.items()
    ]
    return "\n".join(lines) + "\n"


def draw_stream(score: Values, truth: thresholds.Truth | None, threshold: float, target: Path) -> None:
    """Draw the held-out scores one after the other, anomalous ones in red, and the threshold as a line."""
    place = np.arange(len(score))
    groups = (
        {"rows": np.ones(len(score), np.bool_)} if truth is None else {"normal": ~truth, "anomalous": truth}
    )
    with plots.picture(target, "Scores over time, held out", width=10) as axes:
        axes.plot(place, score, color="lightgrey", linewidth=0.6, zorder=0)
        for (name, chosen), colour in zip(groups.items(), ("tab:blue", "tab:red"), strict=False):
            axes.scatter(place[chosen], score[chosen], s=9, color=colour, label=name)
        axes.axhline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3g}")
        axes.set(xlabel="row", ylabel="score", yscale="log")
        axes.legend()


JOB = Job(
    name="tumour-autoencoder",
    word="score",
    settings=TumourSettings,
    profiles=PROFILES,
    expected=(Expectation("auroc", at_least=0.93),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

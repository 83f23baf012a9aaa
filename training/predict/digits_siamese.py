"""Whether two pictures show the same digit: one encoder for both, and the distance of what it makes of them.

    python -m training digits-siamese                        scikit-learn's digits, about 40 s on 2 cores
    python -m training digits-siamese --set loss=contrastive the loss of Hadsell, Chopra and LeCun (2006)
    python -m training digits-siamese --data FOLDER          one subfolder of images for each class

Expected area under the ROC curve of held-out pairs: 0.98 (quick). Knows nothing of the other jobs.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field, PositiveInt
from sklearn.metrics import roc_auc_score, roc_curve

from training import atomic, plots
from training.classify import pictures
from training.classify.pictures import SIDE, Part, Pictures
from training.job import Expectation, Job, Loop, Profile, Settings

NEAREST = 1e-7
"""What a similarity is at least and a squared distance is increased by, so that logarithms and roots have slopes."""
STRANGERS = 16
"""How many pictures are drawn to find one of another class."""


class SiameseSettings(Settings):
    """Settings of `digits-siamese`.

    `difference` learns the similarity from |a - b| and is charged its cross-entropy; `contrastive` takes
    exp(-distance) for the similarity and pushes different pictures `margin` apart. `pairs` are drawn for an epoch,
    half of them of one class.
    """

    epochs: PositiveInt = 12
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 2e-3
    loss: Literal["difference", "contrastive"] = "difference"
    margin: Annotated[float, Field(gt=0, le=10)] = 2.0
    filters: tuple[PositiveInt, PositiveInt] = (16, 32)
    embedding: PositiveInt = 32
    pairs: Annotated[int, Field(ge=2)] = 6000


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 60, "pairs": 20_000},
    "smoke": {"epochs": 2, "filters": (4, 4), "embedding": 4, "pairs": 512, "batch_size": 128},
}

Pairs = tuple[dict[str, pictures.Pixels], np.ndarray]


def load(settings: SiameseSettings) -> Pictures:
    """Read the pictures that `--data` names."""
    return pictures.read(settings.data)


def save_assets(settings: SiameseSettings, data: Pictures, directory: Path) -> None:
    """Keep some held-out pairs, and single pictures."""
    pairs, _ = draw_pairs(data.held_out, 64, np.random.default_rng(settings.seed))
    atomic.write_arrays(directory / "examples.npz", {**pairs, "image": data.held_out.pixels[:64]})


def build(settings: SiameseSettings, assets: Path) -> keras.Model:  # noqa: ARG001  # see Job
    """Make the model: `first` and `second` [batch, 28, 28, 1] to a similarity [batch, 1] between 0 and 1."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    hidden = image
    for count in settings.filters:
        hidden = keras.layers.Conv2D(count, 3, padding="same", activation="relu")(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
    embedding = keras.layers.Dense(settings.embedding, name="embedding")(keras.layers.Flatten()(hidden))
    encoder = keras.Model(image, embedding, name="encoder")
    first, second = (keras.Input((SIDE, SIDE, 1), name=name) for name in ("first", "second"))
    apart = encoder(first) - encoder(second)
    if settings.loss == "difference":
        similarity = keras.layers.Dense(1, activation="sigmoid", name="similarity")(ops.absolute(apart))
    else:
        distance = ops.sqrt(ops.sum(ops.square(apart), axis=-1, keepdims=True) + NEAREST)
        similarity = ops.exp(-distance)
    return keras.Model({"first": first, "second": second}, similarity, name="digits_siamese")


def contrastive(margin: float) -> Any:
    """Return the loss of a similarity exp(-distance): same pictures pull, different ones push within the margin."""

    def loss(same: Any, similarity: Any) -> Any:
        distance = -ops.log(ops.maximum(similarity, NEAREST))
        apart = ops.square(ops.maximum(margin - distance, 0))
        return ops.mean(same * ops.square(distance) + (1 - same) * apart, axis=-1)

    return loss


def fit(model: keras.Model, settings: SiameseSettings, data: Pictures, loop: Loop) -> None:
    """Train on pairs drawn anew for each epoch, with Adam; the learning rate falls to 0 along a cosine."""
    steps = -(-settings.pairs // settings.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    loss = "binary_crossentropy" if settings.loss == "difference" else contrastive(settings.margin)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(
        PairBatches(data.train, settings, loop.initial_epoch),
        validation_data=draw_pairs(data.validation, 2000, np.random.default_rng(0)),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


class PairBatches(keras.utils.PyDataset):
    """The batches of an epoch; each epoch has pairs of its own, the same after an interruption."""

    def __init__(self, part: Part, settings: SiameseSettings, epoch: int) -> None:
        super().__init__()
        self._part, self._settings, self._epoch = part, settings, epoch
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(self._settings.pairs / self._settings.batch_size)

    def __getitem__(self, batch: int) -> Pairs:
        rows = slice(batch * self._settings.batch_size, (batch + 1) * self._settings.batch_size)
        return {name: pixels[rows] for name, pixels in self._pixels.items()}, self._same[rows]

    def on_epoch_end(self) -> None:
        """Draw the pairs of the next epoch."""
        generator = np.random.default_rng((self._settings.seed, self._epoch))
        self._pixels, self._same = draw_pairs(self._part, self._settings.pairs, generator)
        self._epoch += 1


def draw_pairs(part: Part, count: int, generator: np.random.Generator) -> Pairs:
    """Return `count` pairs, and for each [count, 1] whether both are of one class: half are, as far as chance goes.

    A picture may be paired with itself.
    """
    first = generator.integers(0, len(part), count)
    same = generator.random(count) < 0.5
    partners = _members_of(part.classes[first], part.classes, generator)
    strangers = generator.integers(0, len(part), (count, STRANGERS))
    other = part.classes[strangers] != part.classes[first][:, None]
    second = np.where(same, partners, strangers[np.arange(count), other.argmax(axis=1)])
    truth = (part.classes[first] == part.classes[second]).astype(np.float32)[:, None]
    return {"first": part.pixels[first], "second": part.pixels[second]}, truth


def _members_of(wanted: np.ndarray, classes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    members = {each: np.flatnonzero(classes == each) for each in np.unique(wanted)}
    return np.array([generator.choice(members[each]) for each in wanted])


def evaluate(
    model: keras.Model, settings: SiameseSettings, data: Pictures, directory: Path
) -> dict[str, float]:
    """Measure how well the similarity parts held-out pairs; draw the ROC curve and pairs with their similarity."""
    pairs, truth = draw_pairs(data.held_out, 4000, np.random.default_rng(1))
    similarity = model.predict(pairs, batch_size=settings.batch_size, verbose=0)[:, 0]
    same = truth[:, 0] == 1
    area = float(roc_auc_score(same, similarity))
    false_rate, true_rate, thresholds = roc_curve(same, similarity)
    plots.roc_curve(false_rate, true_rate, area, directory / "roc.png")
    beside = np.concatenate([pairs["first"][:16], pairs["second"][:16]], axis=2)[..., 0]
    plots.tiles(
        beside,
        directory / "pairs.png",
        "Similarity of held-out pairs",
        titles=[f"{s:.3f}" for s in similarity[:16]],
    )
    best = float(thresholds[np.argmax(true_rate - false_rate)])
    return {"auroc": area, "accuracy": float(((similarity >= best) == same).mean()), "threshold": best}


JOB = Job(
    name="digits-siamese",
    word="predict",
    settings=SiameseSettings,
    profiles=PROFILES,
    expected=(Expectation("auroc", at_least=0.98),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

"""Whether a review is for or against: bidirectional LSTMs over its words.

    python -m training reviews-bilstm                     reviews made here, about 90 s on 2 cores
    python -m training reviews-bilstm --data imdb         IMDB, fetched by Keras (use --profile full)
    python -m training reviews-bilstm --data file.csv     a header, a column `text` and a column `label`

Expected accuracy, held out: 0.97 (quick, sentences that training never saw; their words alone tell 0.6). Knows nothing
of the other jobs.
"""

from pathlib import Path
from typing import Annotated, Literal

import keras
from pydantic import Field, PositiveInt

from training.classify import sentiment
from training.classify.sentiment import TextSettings, Words
from training.job import Expectation, Job


class BilstmSettings(TextSettings):
    """Settings of `reviews-bilstm`: the first of `layers` has `units` in each direction, each next one half as many."""

    layers: Annotated[int, Field(ge=1, le=4)] = 2
    units: PositiveInt = 64
    cell: Literal["lstm", "gru"] = "lstm"
    direction: Literal["both", "one"] = "both"


def build(settings: BilstmSettings, assets: Path) -> keras.Model:
    """Make the model: ids [batch, words], 0 where there is none on either side, to `probabilities` [batch, labels]."""
    vocabulary, labels = sentiment.sizes(assets)
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(vocabulary, settings.embedding, mask_zero=True, name="embedding")(ids)
    x = keras.layers.SpatialDropout1D(settings.dropout)(x)
    for number in range(settings.layers):
        x = _recurrent(settings, number)(x)
    x = keras.layers.Dropout(settings.dropout)(x)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(x)
    return keras.Model(ids, {"probabilities": probabilities}, name="reviews_bilstm")


def _recurrent(settings: BilstmSettings, number: int) -> keras.layers.Layer:
    """Make a layer; the last one gives the end of each row alone."""
    kind = keras.layers.LSTM if settings.cell == "lstm" else keras.layers.GRU
    name = f"recurrent_{number}"
    # The cuDNN form takes right padding alone, and a SavedModel traced with it would not run on a CPU.
    layer = kind(
        max(1, settings.units >> number),
        return_sequences=number + 1 < settings.layers,
        use_cudnn=False,
        name=f"{name}_forward" if settings.direction == "both" else name,
    )
    return keras.layers.Bidirectional(layer, name=name) if settings.direction == "both" else layer


def evaluate(model: keras.Model, settings: BilstmSettings, data: Words, directory: Path) -> dict[str, float]:
    """Measure accuracy and loss on held-out reviews."""
    rows = data.ids(data.reviews.held_out, settings.padding)
    return sentiment.measure(model.predict(rows, batch_size=256, verbose=0), data, directory)


JOB = Job(
    name="reviews-bilstm",
    word="classify",
    settings=BilstmSettings,
    profiles=sentiment.profiles(units=6),
    expected=(Expectation("accuracy", at_least=0.97),),
    load=sentiment.load,
    save_assets=sentiment.save_assets,
    build=build,
    fit=sentiment.fit,
    evaluate=evaluate,
)

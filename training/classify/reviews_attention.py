"""Whether a review is for or against, and which of its words told: attention over a bidirectional LSTM.

    python -m training reviews-attention                          reviews made here, about 80 s on 2 cores
    python -m training reviews-attention --set attention=heads    several heads instead of one learnt question
    python -m training reviews-attention --data file.csv          a header, a column `text` and a column `label`

Expected accuracy, held out: 0.97 (quick, either attention). Knows nothing of the other jobs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from pydantic import PositiveInt

from training import plots, words
from training.classify import sentiment
from training.classify.attention import AdditiveAttention, MultiHeadReading
from training.classify.reviews import Texts
from training.classify.sentiment import TextSettings, Words
from training.job import Expectation, Job

SHOWN = 8


class AttentionSettings(TextSettings):
    """Settings of `reviews-attention`: `units` of the LSTM in each direction.

    `attention` is `additive`, with as many units, or `heads`, so many of `head_units` each.
    """

    units: PositiveInt = 48
    attention: Literal["additive", "heads"] = "additive"
    heads: PositiveInt = 4
    head_units: PositiveInt = 24


def build(settings: AttentionSettings, assets: Path) -> keras.Model:
    """Make the model: ids [batch, words], 0 where there is none on either side, to `probabilities` [batch, labels]
    and `attention` [batch, words].
    """
    vocabulary, labels = sentiment.sizes(assets)
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(vocabulary, settings.embedding, mask_zero=True, name="embedding")(ids)
    x = keras.layers.SpatialDropout1D(settings.dropout)(x)
    # The cuDNN form takes right padding alone, and a SavedModel traced with it would not run on a CPU.
    recurrent = keras.layers.LSTM(settings.units, return_sequences=True, use_cudnn=False)
    x = keras.layers.Bidirectional(recurrent, name="first")(x)
    if settings.attention == "additive":
        reading: Any = AdditiveAttention(settings.units, name="attention")
    else:
        reading = MultiHeadReading(settings.heads, settings.head_units, name="attention")
    x, weights = reading(x)
    x = keras.layers.Dropout(settings.dropout)(x)
    probabilities = keras.layers.Dense(labels, activation="softmax", name="probabilities")(x)
    outputs = {"probabilities": probabilities, "attention": weights}
    return keras.Model(ids, outputs, name="reviews_attention")


def evaluate(
    model: keras.Model, settings: AttentionSettings, data: Words, directory: Path
) -> dict[str, float]:
    """Measure accuracy and loss on held-out reviews; show what the attention lay on in a few of them."""
    rows = data.ids(data.reviews.held_out, settings.padding)
    outputs = model.predict(rows, batch_size=256, verbose=0)
    draw_attention(data, rows, outputs, directory / "attention.png")
    return sentiment.measure(outputs, data, directory)


def draw_attention(data: Words, rows: words.Ids, outputs: dict[str, Any], target: Path) -> None:
    """Draw the words of some reviews, the darker the more weight they have."""
    held_out, spelling = data.reviews.held_out, np.array(words.words_of(data.tokenizer), object)
    chosen = shown(held_out, rows)
    with plots.picture(target, "Attention, held out", width=12, height=0.9 * len(chosen) + 0.6) as axes:
        axes.set(xlim=(0, 1), ylim=(len(chosen), 0))
        axes.set_axis_off()
        for line, row in enumerate(chosen):
            valid = rows[row] != words.PAD
            said = data.reviews.labels[int(outputs["probabilities"][row].argmax())]
            true = data.reviews.labels[held_out.classes[row]]
            axes.text(0, line + 0.2, f"{true}, taken for {said}", fontsize=8, color="grey")
            _write(axes, line + 0.55, spelling[rows[row][valid]], outputs["attention"][row][valid])


def shown(texts: Texts, rows: words.Ids) -> list[int]:
    """Return which reviews are shown: the first of middling length, as many of each label in turn."""
    fits = [row for row in range(len(texts)) if 10 <= np.count_nonzero(rows[row]) <= 28]
    return sorted(fits[:SHOWN])


def _write(axes: Any, height: float, spelled: Sequence[str], weights: Sequence[float]) -> None:
    """Write words from left to right, each on a ground as dark as its share of the largest weight."""
    left, letter = 0.0, 0.0062  # of the width of the picture
    for word, weight in zip(spelled, np.asarray(weights) / max(np.max(weights), 1e-9), strict=True):
        ground = {"facecolor": (0.12, 0.47, 0.71, float(weight)), "edgecolor": "none", "pad": 1.5}
        colour = "white" if weight > 0.6 else "black"
        axes.text(left, height, word, fontsize=8, family="monospace", color=colour, bbox=ground, va="center")
        left += (len(word) + 1.2) * letter


JOB = Job(
    name="reviews-attention",
    word="classify",
    settings=AttentionSettings,
    profiles=sentiment.profiles(units=4, heads=2, head_units=3),
    expected=(Expectation("accuracy", at_least=0.97),),
    load=sentiment.load,
    save_assets=sentiment.save_assets,
    build=build,
    fit=sentiment.fit,
    evaluate=evaluate,
)

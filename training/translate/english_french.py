"""English sentences in French: an encoder-decoder Transformer on byte-pair subwords.

    python -m training english-french                     pairs from a grammar of our own, about 2 minutes on 2 cores
    python -m training english-french --data pairs.tsv    English, a tab, French; as Tatoeba exports them

Expected BLEU (sacrebleu, greedy) on held-out sentences: 93 (quick). Every held-out sentence of the grammar has words
together that training never saw together. Knows nothing of the other jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import sacrebleu
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator
from tokenizers import Tokenizer

from training import atomic, batches, plots
from training.errors import DataError
from training.job import Expectation, Job, Loop, Profile, Settings, Summary
from training.translate import corpus, subwords, transformer
from training.translate.corpus import Bitext, Corpus
from training.translate.decoding import greedy

SOURCE, TARGET = "source.json", "target.json"


class TranslateSettings(Settings):
    """Settings of `english-french`.

    An epoch is `steps` batches of pairs of like length. The learning rate rises for `warm_up` of all steps, then falls
    along a cosine. `vocabulary` bounds each language's subwords, `longest` the tokens of a sentence; `pairs` and
    `held_out` are how many the grammar makes, or how many of a file are used at most.
    """

    epochs: PositiveInt = 9
    steps: PositiveInt = 200
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 3e-3
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.1
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    width: PositiveInt = 128
    heads: PositiveInt = 8
    feed_forward: PositiveInt = 256
    depth: Annotated[int, Field(ge=1, le=12)] = 2
    vocabulary: Annotated[int, Field(ge=64)] = 2000
    longest: Annotated[int, Field(ge=8, le=transformer.POSITIONS)] = 64
    pairs: PositiveInt = 60_000
    held_out: PositiveInt = 500

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TranslateSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared evenly by {self.heads} heads")
        return self


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {
        "epochs": 60, "steps": 1000, "width": 512, "heads": 8, "feed_forward": 2048, "depth": 6, "vocabulary": 8000,
        "dropout": 0.1, "learning_rate": 5e-4, "pairs": 300_000, "held_out": 2000, "patience": 10,
    },
    "smoke": {
        "epochs": 2, "steps": 4, "width": 16, "feed_forward": 16, "depth": 1, "vocabulary": 200, "pairs": 500, "held_out": 10,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sentences:
    """A corpus with the tokenizers that were learned from its training part."""

    corpus: Corpus
    source: Tokenizer
    target: Tokenizer

    @property
    def summary(self) -> Summary:
        """Where the pairs come from, and how many there are."""
        return self.corpus.summary


def load(settings: TranslateSettings) -> Sentences:
    """Read or draw the pairs, and learn both languages' subwords from those of training."""
    sizes = corpus.Sizes(settings.pairs, settings.held_out, settings.held_out)
    found = corpus.read(settings.data, sizes, settings.seed)
    tokenizers = (
        subwords.learn(texts, settings.vocabulary) for texts in (found.train.english, found.train.french)
    )
    return Sentences(found, *tokenizers)


def save_assets(settings: TranslateSettings, data: Sentences, directory: Path) -> None:
    """Keep both tokenizers and some held-out sentences."""
    atomic.write_text(directory / SOURCE, data.source.to_str())
    atomic.write_text(directory / TARGET, data.target.to_str())
    few = subwords.source_ids(data.source, list(data.corpus.held_out.english[:32]))
    atomic.write_arrays(
        directory / "examples.npz", {"source": batches.padded([row[: settings.longest] for row in few])}
    )


def build(settings: TranslateSettings, assets: Path) -> keras.Model:
    """Make the Transformer for the vocabularies of the run."""
    sizes = [Tokenizer.from_file(str(assets / name)).get_vocab_size() for name in (SOURCE, TARGET)]
    shape = transformer.Shape(
        source_vocabulary=sizes[0],
        target_vocabulary=sizes[1],
        width=settings.width,
        heads=settings.heads,
        feed_forward=settings.feed_forward,
        depth=settings.depth,
        dropout=settings.dropout,
    )
    return transformer.create(shape)


def fit(model: keras.Model, settings: TranslateSettings, data: Sentences, loop: Loop) -> None:
    """Train with Adam on batches of pairs of like length, against labels that are a little uncertain."""
    total = settings.epochs * settings.steps
    warm = int(total * settings.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.01,
        total - warm,
        alpha=0.02,
        warmup_target=settings.learning_rate,
        warmup_steps=warm,
    )
    optimizer = keras.optimizers.Adam(rate, beta_2=0.99, clipnorm=1.0)
    model.compile(optimizer, lambda labels, logits: cross_entropy(labels, logits, settings.smoothing))
    rng = np.random.default_rng(settings.seed + loop.initial_epoch)
    model.fit(
        batches.endless(encoded(data, data.corpus.train, settings), settings.batch_size, rng),
        shuffle=False,  # they are drawn at random
        steps_per_epoch=settings.steps,
        validation_data=batches.once(
            encoded(data, data.corpus.validation, settings), settings.batch_size, rng
        ),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def cross_entropy(labels: Any, logits: Any, smoothing: float) -> Any:
    """Return the mean over all tokens of -log p(label), `smoothing` of it spread over the whole vocabulary."""
    labels = tf.cast(labels, tf.int32)
    likelihood = tf.nn.log_softmax(logits)
    right = tf.gather(likelihood, labels, batch_dims=2)
    loss = -(1 - smoothing) * right - smoothing * tf.reduce_mean(likelihood, axis=-1)
    real = tf.cast(labels != subwords.PAD, loss.dtype)
    return tf.reduce_sum(loss * real) / tf.reduce_sum(real)


def encoded(data: Sentences, part: Bitext, settings: TranslateSettings) -> list[tuple[list[int], list[int]]]:
    """Return the pairs of a part as ids, without those that are too long; raises DataError if none is left."""
    sources = subwords.source_ids(data.source, list(part.english))
    targets = subwords.target_ids(data.target, list(part.french))
    both = zip(sources, targets, strict=True)
    kept = [pair for pair in both if max(map(len, pair)) <= settings.longest]
    if not kept:
        raise DataError(f"{data.summary.source}: no sentence has at most {settings.longest} tokens")
    return kept


def evaluate(
    model: keras.Model, settings: TranslateSettings, data: Sentences, directory: Path
) -> dict[str, float]:
    """Translate the held-out sentences greedily; measure BLEU and how many are word for word the same."""
    held_out = data.corpus.held_out
    sources = subwords.source_ids(data.source, list(held_out.english))
    cut = [row[: transformer.POSITIONS] for row in sources]
    tokens = greedy(model, cut, limit=min(2 * settings.longest, transformer.POSITIONS))
    answers = [data.target.decode(row) for row in tokens]
    right = np.array([answer == truth for answer, truth in zip(answers, held_out.french, strict=True)])
    draw_lengths([len(row) for row in sources], right, directory / "length.png")
    rows = zip(held_out.english, answers, held_out.french, right, strict=True)
    atomic.write_text(directory / "translations.txt", "\n".join(page(rows, 100)) + "\n")
    return {
        "bleu": float(sacrebleu.corpus_bleu(answers, [list(held_out.french)]).score),
        "exact": float(right.mean()),
    }


def draw_lengths(lengths: list[int], right: NDArray[np.bool_], target: Path) -> None:
    """Draw the share of sentences without any fault over their length."""
    groups = np.asarray(lengths) // 4 * 4
    points = [(float(group), float(right[groups == group].mean())) for group in np.unique(groups)]
    plots.curves({"held out": points}, target, "Without a fault", "tokens of the source, from", "share")


def page(rows: Any, most: int) -> Iterator[str]:
    """Yield lines for people: English, what the model said, and what was expected where it differs."""
    for (english, answer, truth, same), _ in zip(rows, range(most), strict=False):
        yield f"   {english}\n   {answer}" if same else f"   {english}\n-  {answer}\n+  {truth}"


JOB = Job(
    name="english-french",
    word="translate",
    settings=TranslateSettings,
    profiles=PROFILES,
    expected=(Expectation("bleu", at_least=90),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

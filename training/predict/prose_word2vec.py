"""Words as vectors in which near means alike: skip-gram with negative sampling.

    python -m training prose-word2vec                     sentences about known relations, about 30 s on 2 cores
    python -m training prose-word2vec --data file.txt     any text in UTF-8

Expected (quick): 0.9 of the words of known pairs (king and queen, dog and puppy) have the other among the ten nearest, of
places 0.9 of the ten nearest are of their kind, and 0.9 of all analogies come out. Knows nothing of the other jobs.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, PositiveInt
from tokenizers import Tokenizer

from training import atomic, plots, words
from training.job import Expectation, Job, Loop, Profile, Settings
from training.predict import neighbours, skipgram
from training.predict.neighbours import Vectors
from training.predict.relations import RELATIONS, Relation
from training.predict.skipgram import Corpus, Draws
from training.steady import steady
from training.words import SPECIAL, Ids

TOKENIZER = "tokenizer.json"
NEAR = 10
EXAMPLES = 32


class Word2vecSettings(Settings):
    """Settings of `prose-word2vec`; an epoch is `steps` batches of pairs.

    Words up to `window` away count as neighbours; `negatives` others are drawn for each true one. Words that make more
    than `threshold` of all are thinned. `made` sentences are made if there are no `data`; of a text, words that occur
    fewer than `fewest` times are left out.
    """

    epochs: PositiveInt = 8
    steps: PositiveInt = 400
    batch_size: PositiveInt = 1024
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-3
    made: Annotated[int, Field(ge=100)] = 12_000
    vocabulary: Annotated[int, Field(ge=10)] = 10_000
    fewest: PositiveInt = 5
    width: Annotated[int, Field(ge=2, le=1024)] = 48
    window: Annotated[int, Field(ge=1, le=20)] = 5
    negatives: Annotated[int, Field(ge=1, le=100)] = 8
    threshold: Annotated[float, Field(gt=0, le=1)] = 5e-3


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {"epochs": 30, "steps": 1000, "made": 40_000, "width": 128, "patience": 5},
    "smoke": {"epochs": 1, "steps": 10, "batch_size": 64, "made": 1200, "width": 6, "negatives": 2},
}


def load(settings: Word2vecSettings) -> Corpus:
    """Make or read the sentences."""
    return skipgram.read(settings.data, settings.made, vocabulary=settings.vocabulary, fewest=settings.fewest)


def save_assets(settings: Word2vecSettings, data: Corpus, directory: Path) -> None:  # noqa: ARG001  # see Job
    """Keep the words, and some held-out rows of them, padded to the right."""
    words.save(data.tokenizer, directory / TOKENIZER)
    rows = [row[:16] for row in data.held_out if row][:EXAMPLES]
    ids = words.Window(16).rows(rows)
    atomic.write_arrays(directory / "examples.npz", {"ids": ids, "words": ids[:, 0]})


def build(settings: Word2vecSettings, assets: Path) -> keras.Model:
    """Make the model: `word` [batch] and `others` [batch, count] to the logit that each is a true neighbour.

    The vectors are the weights of the layer `words`.
    """
    size = Tokenizer.from_file(str(assets / TOKENIZER)).get_vocab_size()
    word = keras.Input((), dtype="int32", name="word")
    others = keras.Input((None,), dtype="int32", name="others")
    uniform = keras.initializers.RandomUniform(-0.5 / settings.width, 0.5 / settings.width)
    vectors = keras.layers.Embedding(size, settings.width, embeddings_initializer=uniform, name="words")(word)
    around = keras.layers.Embedding(size, settings.width, name="contexts")(others)
    logits = keras.ops.sum(vectors[:, None, :] * around, axis=-1)
    return keras.Model({"word": word, "others": others}, logits, name="prose_word2vec")


def fit(model: keras.Model, settings: Word2vecSettings, data: Corpus, loop: Loop) -> None:
    """Train to tell true neighbours from drawn ones; the learning rate falls along a cosine."""
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, settings.steps * settings.epochs, 0.02
    )
    model.compile(keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(
        batches(settings, data, settings.seed + loop.initial_epoch),
        shuffle=False,  # they already are
        steps_per_epoch=settings.steps,
        validation_data=questions(settings, data, data.validation),
        validation_batch_size=4096,
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def batches(settings: Word2vecSettings, data: Corpus, seed: int) -> tf.data.Dataset:
    """Return batches of true neighbours among drawn ones, without end."""
    rng, draws = np.random.default_rng(seed), Draws.of(data.counts)

    def draw() -> Iterator[tuple[dict[str, Ids], np.ndarray]]:
        for found in skipgram.endless(data, window=settings.window, threshold=settings.threshold, rng=rng):
            for start in range(0, max(len(found) - settings.batch_size, 1), settings.batch_size):
                yield among(found[start : start + settings.batch_size], draws, settings.negatives, rng)

    ids = tf.TensorSpec((None,), tf.int32)
    wide = tf.TensorSpec((None, settings.negatives + 1), tf.int32)
    truth = tf.TensorSpec((None, settings.negatives + 1), tf.float32)
    signature = ({"word": ids, "others": wide}, truth)
    return steady(tf.data.Dataset.from_generator(draw, output_signature=signature).prefetch(4))


def among(
    found: Ids, draws: Draws, negatives: int, rng: np.random.Generator
) -> tuple[dict[str, Ids], np.ndarray]:
    """Return pairs [count, 2] as input and truth [count, 1 + negatives]: the true neighbour is the first of the others."""
    others = np.concatenate([found[:, 1:], draws((len(found), negatives), rng)], axis=1)
    truth = np.zeros(others.shape, np.float32)
    truth[:, 0] = 1
    return {"word": found[:, 0], "others": others}, truth


def questions(
    settings: Word2vecSettings, data: Corpus, rows: list[list[int]]
) -> tuple[dict[str, Ids], np.ndarray]:
    """Return all pairs of `rows` among drawn ones, always the same."""
    rng = np.random.default_rng(0)
    return among(skipgram.pairs(rows, settings.window, rng), Draws.of(data.counts), settings.negatives, rng)


def evaluate(
    model: keras.Model, settings: Word2vecSettings, data: Corpus, directory: Path
) -> dict[str, float]:
    """Measure the loss on held-out sentences, and how many known pairs and analogies the vectors hold; draw them."""
    inputs, truth = questions(settings, data, data.held_out)
    metrics = {"loss": float(model.evaluate(inputs, truth, batch_size=4096, verbose=0))}
    table = np.asarray(model.get_layer("words").get_weights()[0], np.float64)[len(SPECIAL) :]
    spelling = words.words_of(data.tokenizer)[len(SPECIAL) :]
    ids = {word: place for place, word in enumerate(spelling)}
    write_neighbours(table, spelling, data, directory / "neighbours.txt")
    known = [relation for relation in RELATIONS if _spoken_of(relation, ids)]
    for relation in known:
        draw_pairs(table, ids, relation, directory / f"{relation.name.replace(' ', '-')}.png")
    checks = {
        "pairs": [neighbours.found_pairs(table, ids, each.pairs, NEAR) for each in known if not each.kind],
        "kinds": [neighbours.of_one_kind(table, ids, each.pairs, NEAR) for each in known if each.kind],
        "analogies": [neighbours.solved_analogies(table, ids, each.pairs) for each in known],
    }
    metrics |= {name: float(np.mean(found)) for name, found in checks.items() if found}
    return metrics


def _spoken_of(relation: Relation, ids: dict[str, int]) -> bool:
    return all(word in ids for pair in relation.pairs for word in (pair.first, pair.second))


def write_neighbours(table: Vectors, spelling: Sequence[str], data: Corpus, target: Path) -> None:
    """Write the nearest words of every tenth of the hundreds that occur most, for people to look at."""
    frequent = np.argsort(-data.counts[len(SPECIAL) :], kind="stable")[:400:10]
    unit = neighbours.normed(table)
    near = {place: neighbours.nearest(table, unit[place], [place], NEAR) for place in frequent}
    lines = (
        f"{spelling[place]}: {', '.join(spelling[each] for each in found)}" for place, found in near.items()
    )
    atomic.write_text(target, "\n".join(lines) + "\n")


def draw_pairs(table: Vectors, ids: dict[str, int], relation: Relation, target: Path) -> None:
    """Draw the pairs of a relation in the plane that holds most of their spread, a line from word to word."""
    spelled = [word for pair in relation.pairs for word in (pair.first, pair.second)]
    vectors = neighbours.normed(table)[[ids[word] for word in spelled]]
    centred = vectors - vectors.mean(axis=0)
    _, _, axes_of_spread = np.linalg.svd(centred, full_matrices=False)
    points = centred @ axes_of_spread[:2].T
    with plots.picture(target, relation.name, width=8, height=6.4) as axes:
        for place in range(0, len(points), 2):
            axes.plot(points[place : place + 2, 0], points[place : place + 2, 1], color="grey", linewidth=0.7)
        for side, colour in ((0, "tab:blue"), (1, "tab:orange")):
            axes.scatter(points[side::2, 0], points[side::2, 1], s=14, color=colour)
        axes.margins(x=0.12)  # the last words end beyond their points
        for word, (x, y) in zip(spelled, points, strict=True):
            axes.annotate(word, (x, y), fontsize=8, xytext=(3, 3), textcoords="offset points")


JOB = Job(
    name="prose-word2vec",
    word="predict",
    settings=Word2vecSettings,
    profiles=PROFILES,
    expected=(
        Expectation("pairs", at_least=0.9),
        Expectation("kinds", at_least=0.9),
        Expectation("analogies", at_least=0.9),
    ),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

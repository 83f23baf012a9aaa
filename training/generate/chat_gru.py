"""A chatbot: an encoder-decoder of two GRUs that answers a message, or a conversation, with one reply.

    python -m training chat-gru                     small talk of our own, about 2.5 minutes on 2 cores
    python -m training chat-gru --data pairs.tsv    a question, a tab, its reply, line by line

Expected share of replies that are right to the letter, for questions in wordings that training never saw: 0.95 (quick).
Knows nothing of the other jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from pydantic import Field, PositiveInt
from tokenizers import Tokenizer

from training import atomic, batches, plots
from training.errors import DataError
from training.generate import gru, pairs, pieces
from training.generate.pairs import Pair, Pairs
from training.job import Expectation, Job, Loop, Profile, Settings, Summary

QUESTIONS, REPLIES = "questions.json", "replies.json"
EXAMPLES = 32


class ChatSettings(Settings):
    """Settings of `chat-gru`.

    An epoch is `steps` batches of pairs of like length. The learning rate rises for `warm_up` of all steps, then falls
    along a cosine. `teacher_forcing` is the share of the decoder's inputs that are the truth in the last epoch; it
    falls to it in a line from 1 in the first. `vocabulary` bounds the pieces of questions and those of replies,
    `longest` the pieces of a question or reply; `pairs` and `held_out` are how many are drawn, or used of a file at
    most.
    """

    epochs: PositiveInt = 8
    steps: PositiveInt = 200
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 4e-3
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.1
    teacher_forcing: Annotated[float, Field(ge=0, le=1)] = 0.9
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    embedding: PositiveInt = 64
    units: PositiveInt = 192
    vocabulary: Annotated[int, Field(ge=64)] = 2000
    longest: Annotated[int, Field(ge=8, le=512)] = 128
    pairs: PositiveInt = 60_000
    held_out: PositiveInt = 1000


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {
        "epochs": 40, "steps": 500, "embedding": 128, "units": 384, "learning_rate": 2e-3, "dropout": 0.2,
        "pairs": 200_000, "held_out": 4000, "patience": 10,
    },
    "smoke": {
        "epochs": 2, "steps": 4, "embedding": 8, "units": 16, "vocabulary": 200, "pairs": 500, "held_out": 20,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Talk:
    """Pairs with the tokenizers that were learned from their training part."""

    pairs: Pairs
    questions: Tokenizer
    replies: Tokenizer

    @property
    def summary(self) -> Summary:
        """Where the pairs come from, and how many there are."""
        return self.pairs.summary


def load(settings: ChatSettings) -> Talk:
    """Read or draw the pairs, and learn the pieces of questions and replies from those of training."""
    sizes = pairs.Sizes(settings.pairs, settings.held_out, settings.held_out)
    found = pairs.read(settings.data, sizes, settings.seed)
    questions, replies = zip(*found.train, strict=True)
    return Talk(
        found,
        pieces.learn_questions(questions, settings.vocabulary),
        pieces.learn_replies(replies, settings.vocabulary),
    )


def save_assets(settings: ChatSettings, data: Talk, directory: Path) -> None:
    """Keep both tokenizers and some held-out questions."""
    atomic.write_text(directory / QUESTIONS, data.questions.to_str())
    atomic.write_text(directory / REPLIES, data.replies.to_str())
    few = pieces.question_ids(data.questions, [question for question, _ in data.pairs.held_out[:EXAMPLES]])
    atomic.write_arrays(
        directory / "examples.npz", {"source": batches.padded([row[: settings.longest] for row in few])}
    )


def build(settings: ChatSettings, assets: Path) -> keras.Model:
    """Make the model for the vocabularies of the run."""
    sizes = [Tokenizer.from_file(str(assets / name)).get_vocab_size() for name in (QUESTIONS, REPLIES)]
    return gru.create(gru.Shape(sizes[0], sizes[1], settings.embedding, settings.units, settings.dropout))


def fit(model: keras.Model, settings: ChatSettings, data: Talk, loop: Loop) -> None:
    """Train with Adam on batches of pairs of like length, less and less led by the truth."""
    total = settings.epochs * settings.steps
    warm = int(total * settings.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.01,
        total - warm,
        alpha=0.02,
        warmup_target=settings.learning_rate,
        warmup_steps=warm,
    )
    model.compile(keras.optimizers.Adam(rate, beta_2=0.99, clipnorm=1.0), cross_entropy)
    rng = np.random.default_rng(settings.seed + loop.initial_epoch)
    model.fit(
        batches.endless(encoded(data, data.pairs.train, settings), settings.batch_size, rng),
        shuffle=False,  # they are drawn at random
        steps_per_epoch=settings.steps,
        validation_data=batches.once(
            encoded(data, data.pairs.validation, settings), settings.batch_size, rng
        ),
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=[LessTruth(settings), *loop.callbacks],
        verbose=0,
    )


class LessTruth(keras.callbacks.Callback):
    """Lets the decoder hear more of itself in each epoch (scheduled sampling with a linear decay)."""

    def __init__(self, settings: ChatSettings) -> None:
        super().__init__()
        self._settings = settings

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras passes it
        """Set the share of truth; epochs count from 0."""
        self.model.truth.assign(truth(epoch, self._settings))


def truth(epoch: int, settings: ChatSettings) -> float:
    """Return the share of the decoder's inputs that are the truth in an epoch, the first of which is 0."""
    done = epoch / (settings.epochs - 1) if settings.epochs > 1 else 1.0
    return 1.0 - (1.0 - settings.teacher_forcing) * done


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Return the mean over all real tokens of -log p(label)."""
    labels = tf.cast(labels, tf.int32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    real = tf.cast(labels != pieces.PAD, loss.dtype)
    return tf.reduce_sum(loss * real) / tf.reduce_sum(real)


def encoded(data: Talk, part: tuple[Pair, ...], settings: ChatSettings) -> list[tuple[list[int], list[int]]]:
    """Return the pairs of a part as ids, without those that are too long; raises DataError if none is left."""
    questions, replies = zip(*part, strict=True)
    both = zip(
        pieces.question_ids(data.questions, questions), pieces.reply_ids(data.replies, replies), strict=True
    )
    kept = [pair for pair in both if max(map(len, pair)) <= settings.longest]
    if not kept:
        raise DataError(
            f"{data.summary.source}: no question and reply have at most {settings.longest} pieces"
        )
    return kept


def evaluate(model: keras.Model, settings: ChatSettings, data: Talk, directory: Path) -> dict[str, float]:
    """Answer the held-out questions; measure how many replies are right to the letter, over the question's length."""
    questions, truths = zip(*data.pairs.held_out, strict=True)
    sources = pieces.question_ids(data.questions, questions)
    tokens = gru.replies(model, sources, limit=settings.longest)
    answers = [data.replies.decode(row) for row in tokens]
    right = np.array([answer == truth for answer, truth in zip(answers, truths, strict=True)])
    groups = np.array([len(row) for row in sources]) // 8 * 8
    points = [(float(group), float(right[groups == group].mean())) for group in np.unique(groups)]
    plots.curves({"held out": points}, directory / "length.png", "Right", "pieces of the question", "share")
    rows = zip(questions, answers, truths, right, strict=True)
    atomic.write_text(directory / "replies.txt", "\n".join(page(rows)) + "\n")
    return {"exact": float(right.mean()), "questions": float(len(right))}


def page(rows: Any) -> Iterator[str]:
    """Yield lines for people: what was asked, what the model said, and what was expected where it differs."""
    for question, answer, expected, right in rows:
        asked = question.replace("\n", " ")
        yield f"   {asked}\n   {answer}" if right else f"   {asked}\n-  {answer}\n+  {expected}"


JOB = Job(
    name="chat-gru",
    word="generate",
    settings=ChatSettings,
    profiles=PROFILES,
    expected=(Expectation("exact", at_least=0.85),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

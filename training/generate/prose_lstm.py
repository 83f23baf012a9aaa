"""English prose, letter by letter: a character LSTM of two layers.

    python -m training prose-lstm                     Python's own help pages, about 70 s on 2 cores
    python -m training prose-lstm --data file.txt     any text in UTF-8

Expected bits per character on the held-out end of the text: 1.8 (quick). Knows nothing of the other jobs.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from training import atomic, plots
from training.errors import DataError
from training.generate import lstm, prose, sampling
from training.generate.prose import Ids, Prose
from training.generate.sampling import Way
from training.job import Expectation, Job, Loop, Profile, Settings
from training.steady import steady

CONTEXT = 1024
"""Characters in a row of the evaluation: each row starts without memory."""
PROMPT = 64
TEXTS = 4
"""How many texts are written in each way of drawing, of prompts of so many characters."""
WAYS = (
    ("greedy", Way(0)),
    *((f"temperature {value}", Way(value)) for value in (0.3, 0.5, 0.7, 1.0, 1.3)),
    *((f"top k {value}", Way(top_k=value)) for value in (2, 5, 20)),
    *((f"top p {value}", Way(top_p=value)) for value in (0.3, 0.6, 0.9)),
)


class ProseSettings(Settings):
    """Settings of `prose-lstm`.

    An epoch is `steps` batches of windows of `window` characters, drawn anywhere in the text. `unknown` is the
    share of characters that training hides, so that the model can read what is not in its vocabulary. Texts of
    `sampled` characters show what ways of drawing do.
    """

    epochs: PositiveInt = 7
    steps: PositiveInt = 100
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1.2e-2
    window: Annotated[int, Field(ge=8, le=1024)] = 64
    embedding: PositiveInt = 64
    units: PositiveInt = 192
    layers: Annotated[int, Field(ge=1, le=4)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    unknown: Annotated[float, Field(ge=0, lt=0.5)] = 0.002
    sampled: Annotated[int, Field(ge=1, le=5000)] = 600


PROFILES: dict[Profile, dict[str, object]] = {
    "quick": {},
    "full": {
        "epochs": 60, "steps": 200, "window": 128, "units": 512, "dropout": 0.3, "learning_rate": 4e-3,
        "patience": 10,
    },
    "smoke": {"epochs": 2, "steps": 4, "window": 16, "units": 16, "embedding": 8, "sampled": 30},
}  # fmt: skip


def load(settings: ProseSettings) -> Prose:
    """Read the text that `--data` names."""
    data = prose.read(settings.data)
    if len(data.validation) <= settings.window:
        raise DataError(f"{data.summary.source}: too short for windows of {settings.window} characters")
    return data


def save_assets(settings: ProseSettings, data: Prose, directory: Path) -> None:
    """Keep the vocabulary, and some held-out windows of different lengths, padded to the right."""
    atomic.write_json(directory / "vocabulary.json", list(data.vocabulary))
    rows = windows(data.held_out, settings.window)[:32, :-1]
    lengths = np.linspace(1, settings.window, len(rows)).astype(np.int32)
    ids = np.where(np.arange(settings.window) < lengths[:, None], rows, prose.UNKNOWN)
    atomic.write_arrays(directory / "examples.npz", {"ids": ids, "lengths": lengths})


def build(settings: ProseSettings, assets: Path) -> keras.Model:
    """Make the model for the vocabulary of the run."""
    vocabulary = json.loads((assets / "vocabulary.json").read_text(encoding="utf-8"))
    shape = lstm.Shape(len(vocabulary), settings.embedding, settings.units, settings.layers, settings.dropout)
    return lstm.build(shape)


def fit(model: keras.Model, settings: ProseSettings, data: Prose, loop: Loop) -> None:
    """Train with Adam on random windows; the learning rate rises for an epoch and falls along a cosine."""
    total, warm = settings.epochs * settings.steps, settings.steps if settings.epochs > 1 else 0
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        total - warm,
        alpha=0.02,
        warmup_target=settings.learning_rate,
        warmup_steps=warm,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    known = windows(data.validation, settings.window)
    model.fit(
        batches(data.train, settings, settings.seed + loop.initial_epoch),
        shuffle=False,  # they are drawn at random
        steps_per_epoch=settings.steps,
        validation_data=(known[:, :-1], known[:, 1:]),
        validation_batch_size=4 * settings.batch_size,
        epochs=settings.epochs,
        initial_epoch=loop.initial_epoch,
        callbacks=loop.callbacks,
        verbose=0,
    )


def windows(ids: Ids, length: int) -> Ids:
    """Return neighbouring rows of `length` + 1 ids: without its last a row is input, without its first truth."""
    count = (len(ids) - 1) // length
    rows: Ids = ids[np.arange(count)[:, None] * length + np.arange(length + 1)]
    return rows


def batches(ids: Ids, settings: ProseSettings, seed: int) -> tf.data.Dataset:
    """Return batches of windows that begin anywhere, without end."""

    def draw() -> Iterator[tuple[Ids, Ids]]:
        rng = np.random.default_rng(seed)
        while True:
            starts = rng.integers(0, len(ids) - settings.window, settings.batch_size)
            rows = ids[starts[:, None] + np.arange(settings.window + 1)]
            hidden = rng.random((settings.batch_size, settings.window)) < settings.unknown
            yield np.where(hidden, prose.UNKNOWN, rows[:, :-1]), rows[:, 1:]

    spec = tf.TensorSpec((settings.batch_size, settings.window), tf.int32)
    return steady(tf.data.Dataset.from_generator(draw, output_signature=(spec, spec)).prefetch(4))


def evaluate(model: keras.Model, settings: ProseSettings, data: Prose, directory: Path) -> dict[str, float]:
    """Measure bits per character on held-out text; draw them over the length of the context, let the model
    write a page, and compare ways of drawing its characters.
    """
    rows = windows(data.held_out, min(CONTEXT, len(data.held_out) - 1))
    bits = bits_per_character(model, rows)
    groups = 2 ** np.arange(int(math.log2(bits.shape[1])) + 1)
    points = [(float(after), float(bits[:, after - 1 : 2 * after - 1].mean())) for after in groups]
    plots.curves(
        {"held out": points}, directory / "context.png", "Bits by context", "characters before", "bits"
    )
    write_page(model, settings, data, directory / "page.txt")
    compare_ways(model, settings, data, directory)
    return {"bits_per_character": float(bits.mean()), "characters": float(bits.size)}


def bits_per_character(model: keras.Model, rows: Ids) -> NDArray[np.floating]:
    """Return -log2 of the probability of each character of `rows` after the first, [rows, length]."""
    logits = model.predict(rows[:, :-1], batch_size=16, verbose=0)
    likelihood = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))
    found: NDArray[np.floating] = -np.take_along_axis(likelihood, rows[:, 1:, None], axis=2)[..., 0]
    return found / math.log(2)


def write_page(model: keras.Model, settings: ProseSettings, data: Prose, target: Path) -> None:
    """Let the model continue the first held-out characters, for people to look at."""
    rng = np.random.default_rng(settings.seed)
    prompt = data.held_out[:64]
    (drawn,) = lstm.continuation(model, prompt[None], 800, [Way(0.7)], rng)
    atomic.write_text(target, _spelled(data, [*prompt, *drawn]) + "\n")


def compare_ways(model: keras.Model, settings: ProseSettings, data: Prose, directory: Path) -> None:
    """Let the model write texts in each way of drawing; tell and draw how much they repeat, beside the held-out text."""
    length, rng = settings.sampled, np.random.default_rng(settings.seed)
    starts = rng.integers(0, len(data.held_out) - PROMPT, TEXTS)
    prompts = data.held_out[starts[:, None] + np.arange(PROMPT)]
    ways = [way for _, way in WAYS for _ in range(TEXTS)]
    drawn = lstm.continuation(model, np.tile(prompts, (len(WAYS), 1)), length, ways, rng)
    written = [_spelled(data, row) for row in drawn]
    people = [
        _spelled(data, data.held_out[start : start + length])
        for start in np.linspace(0, max(len(data.held_out) - length, 0), TEXTS).astype(int)
    ]
    texts = {name: written[place * TEXTS : (place + 1) * TEXTS] for place, (name, _) in enumerate(WAYS)}
    texts["written by people"] = people
    atomic.write_text(directory / "sampling.txt", table_of(texts))
    draw_repetition(texts, directory / "sampling.png")


def table_of(texts: Mapping[str, Sequence[str]]) -> str:
    """Return a table in Markdown: how much the texts of each way repeat, and how one of them begins."""
    lines = ["| drawn with | repeated | different words | begins |", "|---|---|---|---|"]
    for name, written in texts.items():
        repeated, different = (
            np.mean([measure(text) for text in written])
            for measure in (sampling.repetition, sampling.variety)
        )
        begins = " ".join(written[0].split())[:80].replace("|", "\\|")
        lines.append(f"| {name} | {repeated:.3f} | {different:.3f} | {begins} |")
    note = "Repeated: the share of runs of four words that came before in the same text; different: of its words."
    return "\n".join(lines) + f"\n\n{note}\n"


def draw_repetition(texts: Mapping[str, Sequence[str]], target: Path) -> None:
    """Draw for each way of drawing how much its texts repeat themselves, on the average."""
    names = list(texts)
    shares = [float(np.mean([sampling.repetition(text) for text in written])) for written in texts.values()]
    kinds = ["greedy", "temperature", "top k", "top p", "written"]
    colours = [
        f"C{next(place for place, kind in enumerate(kinds) if name.startswith(kind))}" for name in names
    ]
    with plots.picture(target, f"Repeated runs of {sampling.WORDS} words", height=5.2) as axes:
        axes.barh(names, shares, color=colours)
        axes.invert_yaxis()
        axes.set(xlabel="share of all runs", xlim=(0, 1.08))
        for place, share in enumerate(shares):
            axes.text(share + 0.01, place, f"{share:.2f}", va="center", fontsize=8)


def _spelled(data: Prose, ids: Iterable[int]) -> str:
    return "".join(data.vocabulary[each] for each in ids)


JOB = Job(
    name="prose-lstm",
    word="generate",
    settings=ProseSettings,
    profiles=PROFILES,
    expected=(Expectation("bits_per_character", at_most=2.1),),
    load=load,
    save_assets=save_assets,
    build=build,
    fit=fit,
    evaluate=evaluate,
)

"""Write tiny real bundles of the words that make tokens: a character generator, a word-for-word translator.

The step graph of the one reads ragged prompts and replaces its state, that of the other appends to it and has
context from an encoder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as Subwords
from tokenizers import models, normalizers, pre_tokenizers

from service import bundle
from service.bundle import Generate, StateEntry, StepGraph, Tensor, Tokenizer, Translate
from service.domain import Array
from tests.support import graphs
from tests.support.writing import Draft, Fault, Place, write

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz."
PAD, UNKNOWN, START, END = range(4)
WORDS = {
    "the": "le", "cat": "chat", "dog": "chien", "man": "homme", "sees": "voit", "sleeps": "dort",
    "and": "et", "a": "un", "big": "grand", "not": "pas",
}  # fmt: skip
VOCABULARY = ("[PAD]", "[UNK]", "[BOS]", "[EOS]", *WORDS, *WORDS.values())


def next_character(history: Sequence[int], vocabulary: int = len(ALPHABET)) -> int:
    """Return the token that follows a history, the prompt included, in `write_generator`."""
    return sum(place * (token + 1) for place, token in enumerate(history, start=1)) % vocabulary


def generated(prompt: str, count: int, alphabet: str = ALPHABET) -> str:
    """Return the `count` characters that the greedy `write_generator` continues `prompt` with."""
    history = [alphabet.index(character) for character in prompt]
    for _ in range(count):
        history.append(next_character(history, len(alphabet)))
    return "".join(alphabet[token] for token in history[len(prompt) :])


def write_generator(  # noqa: PLR0913  # each is one figure of the manifest
    directory: Path,
    *,
    name: str = "letters",
    version: int = 1,
    alphabet: str = ALPHABET,
    start_id: int | None = None,
    end_id: int | None = None,
    unknown_id: int | None = None,
    max_prompt_tokens: int = 64,
    max_new_tokens: int = 64,
    fault: Fault | None = None,
) -> Path:
    """Write a character generator: a step graph that reads ragged prompts, with state to be replaced."""
    size = len(alphabet)
    rows, wide = ("batch",), ("batch", 1)
    inputs = (
        Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(0, size)),
        Tensor(name="lengths", dtype="int32", shape=rows, kind="lengths"),
        Tensor(name="h", dtype="float32", shape=wide, kind="state"),
        Tensor(name="c", dtype="float32", shape=wide, kind="state"),
    )
    outputs = (
        Tensor(name="logits", dtype="float32", shape=("batch", size)),
        Tensor(name="h_out", dtype="float32", shape=wide, kind="state"),
        Tensor(name="c_out", dtype="float32", shape=wide, kind="state"),
    )
    step = StepGraph(
        signature="step",
        tokens="ids",
        lengths="lengths",
        logits="logits",
        state=(
            StateEntry(input="h", output="h_out", mode="replace"),
            StateEntry(input="c", output="c_out", mode="replace"),
        ),
    )
    task = Generate(
        step=step,
        tokenizer=Tokenizer(
            kind="characters", file=f"{bundle.ASSETS}/vocabulary.json", unknown_id=unknown_id
        ),
        vocabulary_size=size,
        start_id=start_id,
        end_id=end_id,
        max_prompt_tokens=max_prompt_tokens,
        max_new_tokens=max_new_tokens,
    )
    # Ragged: the second row is padded, with an id that would count if lengths were not honoured.
    histories = ([1, 2, 3], [4])
    request = {
        "ids": np.array([[1, 2, 3], [4, 1, 1]], np.int32),
        "lengths": np.array([3, 1], np.int32),
        "h": np.zeros((2, 1), np.float32),
        "c": np.zeros((2, 1), np.float32),
    }
    following = np.array([next_character(history, size) for history in histories], np.float32)
    answer = {
        "logits": graphs.peak(following, size),
        "h_out": following[:, None],
        "c_out": np.array([[3], [1]], np.float32),
    }
    draft = Draft(graphs.generator_step(inputs, outputs, size), inputs, outputs, request, answer)
    assets = {"vocabulary.json": json.dumps(list(alphabet)).encode()}
    return write(Place(directory, name, version, fault), task, {"step": draft}, assets)


def word_tokenizer() -> Subwords:
    """Return a tokenizer of `VOCABULARY`: a word is a token, words are separated by spaces."""
    tokenizer = Subwords(models.WordLevel({word: index for index, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[BOS]", "[EOS]"])
    return tokenizer


def translated(text: str) -> str:
    """Return what `write_translator` answers: word for word, unknown words left out."""
    return " ".join(WORDS[word] for word in text.lower().split() if word in WORDS)


def write_translator(
    directory: Path,
    *,
    name: str = "words",
    version: int = 1,
    max_source_tokens: int = 16,
    max_new_tokens: int = 16,
    fault: Fault | None = None,
) -> Path:
    """Write a word-for-word translator: an encoder, and a step graph with state to be appended and context."""
    encode, step = _encode_draft(), _step_draft()
    tokenizer = Tokenizer(kind="tokenizers", file=f"{bundle.ASSETS}/tokenizer.json", unknown_id=UNKNOWN)
    task = Translate(
        encode="encode",
        source="source",
        step=_step_graph(),
        source_tokenizer=tokenizer,
        target_tokenizer=tokenizer,
        source_language="en",
        target_language="fr",
        vocabulary_size=len(VOCABULARY),
        start_id=START,
        end_id=END,
        pad_id=PAD,
        max_source_tokens=max_source_tokens,
        max_new_tokens=max_new_tokens,
    )
    assets = {"tokenizer.json": word_tokenizer().to_str().encode()}
    place = Place(directory, name, version, fault)
    return write(place, task, {"encode": encode, "step": step}, assets)


def write_answerer(directory: Path, *, name: str = "answers", end_id: int | None = END) -> Path:
    """Write a generator that answers by the encoder and the step graph of `write_translator`."""
    tokenizer = Tokenizer(kind="tokenizers", file=f"{bundle.ASSETS}/tokenizer.json", unknown_id=UNKNOWN)
    task = Generate(
        step=_step_graph(),
        encoder=bundle.Encoder(
            signature="encode",
            source="source",
            tokenizer=tokenizer,
            vocabulary_size=len(VOCABULARY),
            end_id=end_id,
        ),
        tokenizer=tokenizer,
        vocabulary_size=len(VOCABULARY),
        start_id=START,
        end_id=END,
        max_prompt_tokens=8,
        max_new_tokens=16,
    )
    assets = {"tokenizer.json": word_tokenizer().to_str().encode()}
    drafts = {"encode": _encode_draft(), "step": _step_draft()}
    return write(Place(directory, name, 1, None), task, drafts, assets)


def _step_graph() -> StepGraph:
    return StepGraph(
        signature="step",
        tokens="token",
        positions="positions",
        past_mask="past_mask",
        logits="logits",
        state=(StateEntry(input="past", output="past_new", mode="append", axis=2),),
        context=("cross_targets", "source_mask"),
    )


def _target_of_each() -> Array:
    """Return the target token of every entry of `VOCABULARY`: a word's translation, and else itself."""
    return np.array([VOCABULARY.index(WORDS.get(word, word)) for word in VOCABULARY])


def _encode_draft() -> Draft:
    size = len(VOCABULARY)
    inputs = (
        Tensor(
            name="source",
            dtype="int32",
            shape=("batch", "source"),
            kind="token_ids",
            range=(0, size),
            pad=PAD,
        ),
    )
    outputs = (
        Tensor(name="cross_targets", dtype="float32", shape=("batch", "source", 1), kind="context"),
        Tensor(name="source_mask", dtype="float32", shape=("batch", "source"), kind="mask"),
    )
    source = np.array([[4, 5, END], [6, END, PAD]], np.int32)
    answer = {
        "cross_targets": _target_of_each()[source].astype(np.float32)[..., None],
        "source_mask": (source != PAD).astype(np.float32),
    }
    return Draft(
        graphs.encoder(inputs, outputs, _target_of_each()), inputs, outputs, {"source": source}, answer
    )


def _step_draft() -> Draft:
    size = len(VOCABULARY)
    cached = ("batch", 1, "past", 1)
    inputs = (
        Tensor(name="token", dtype="int32", shape=("batch", 1), kind="token_ids", range=(0, size)),
        Tensor(name="positions", dtype="int32", shape=("batch", 1), kind="positions"),
        Tensor(name="past_mask", dtype="float32", shape=("batch", "past"), kind="mask"),
        Tensor(name="past", dtype="float32", shape=cached, kind="state"),
        Tensor(name="cross_targets", dtype="float32", shape=("batch", "source", 1), kind="context"),
        Tensor(name="source_mask", dtype="float32", shape=("batch", "source"), kind="mask"),
    )
    outputs = (
        Tensor(name="logits", dtype="float32", shape=("batch", size)),
        Tensor(name="past_new", dtype="float32", shape=("batch", 1, 1, 1), kind="state"),
    )
    # The first row has seen two tokens, the second one; what its mask hides must not count.
    request = {
        "token": np.array([[5], [6]], np.int32),
        "positions": np.array([[2], [1]], np.int32),
        "past_mask": np.array([[1, 1], [1, 0]], np.float32),
        "past": np.array([1, 1, 1, 9], np.float32).reshape(2, 1, 2, 1),
        "cross_targets": np.array([[4, 5, END], [6, END, 0]], np.float32)[..., None],
        "source_mask": np.array([[1, 1, 1], [1, 1, 0]], np.float32),
    }
    answer = {
        "logits": graphs.peak(np.array([END, END]), size),
        "past_new": np.ones((2, 1, 1, 1), np.float32),
    }
    return Draft(graphs.translator_step(inputs, outputs, size), inputs, outputs, request, answer)

"""Describe a run of the word `generate` as a bundle: characters in, logits of the next one out, with states.

A run that has questions and replies is a chat model's, and described in `chat`.

Knows the assets that such a job leaves, and nothing of files or versions.
"""

from __future__ import annotations

import json

from export import chat, lstm_step
from export.errors import RunError
from export.examples import read_examples
from export.recipe import Arrays, Endpoint, Recipe, Source
from export.signing import signed
from service.bundle import Generate, StateEntry, StepGraph, Tokenizer

SIGNATURE = "step"
VOCABULARY = "vocabulary.json"
MAX_PROMPT_CHARACTERS = 4096
MAX_NEW_CHARACTERS = 4096


def describe(source: Source) -> Recipe:
    """Return the recipe of a character LSTM of `training.generate.lstm`, or of a chat model.

    Raises RunError if the run has not one character for each entry of the model's vocabulary.
    """
    if (source.assets / chat.QUESTIONS).exists():
        return chat.describe(source)
    import numpy as np  # noqa: PLC0415

    from training.generate import lstm  # noqa: PLC0415

    weights = lstm_step.weights_of(source.model)
    vocabulary = len(weights.embedding)
    _check_vocabulary(source, vocabulary)
    inputs, outputs = lstm_step.inputs(weights), lstm_step.outputs(weights)
    texts = read_examples(source, "ids", "lengths")
    zero = {
        one.name: np.zeros((len(texts["ids"]), int(one.shape[1])), np.float32)
        for one in inputs
        if one.kind == "state"
    }
    example: Arrays = {**texts, **zero}
    step = signed(inputs, lambda named: lstm.step(source.model, named))
    endpoint = Endpoint(SIGNATURE, step, inputs, outputs, lambda: lstm_step.graph(weights), example)
    return Recipe(_task(weights), (endpoint,), assets={VOCABULARY: source.assets / VOCABULARY})


def _task(weights: lstm_step.GeneratorWeights) -> Generate:
    states = [f"{letter}_{i}" for i in range(len(weights.layers)) for letter in "hc"]
    return Generate(
        step=StepGraph(
            signature=SIGNATURE,
            tokens="ids",
            lengths="lengths",
            logits="logits",
            state=tuple(StateEntry(input=name, output=f"{name}_out", mode="replace") for name in states),
        ),
        tokenizer=Tokenizer(kind="characters", file=f"assets.extra/{VOCABULARY}", unknown_id=0),
        vocabulary_size=len(weights.embedding),
        max_prompt_tokens=MAX_PROMPT_CHARACTERS,
        max_new_tokens=MAX_NEW_CHARACTERS,
    )


def _check_vocabulary(source: Source, size: int) -> None:
    try:
        characters = json.loads((source.assets / VOCABULARY).read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"{VOCABULARY} of the run cannot be read: {error}") from error
    if not isinstance(characters, list) or len(characters) != size:
        raise RunError(f"{VOCABULARY}: expected a list of {size} characters")

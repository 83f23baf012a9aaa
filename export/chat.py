"""Describe a run of `chat-gru` as a bundle: an encoder of questions, and a step graph that makes the reply.

Knows the assets that the job leaves, and nothing of files or versions.
"""

from __future__ import annotations

import numpy as np

from export import gru_step
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.signing import signed
from export.vocabulary import check_tokenizer
from service.bundle import Encoder, Generate, StateEntry, StepGraph, Tokenizer

ENCODE, STEP = "encode", "step"
QUESTIONS, REPLIES = "questions.json", "replies.json"
MAX_PROMPT_PIECES = 512
MAX_NEW_PIECES = 128


def describe(source: Source) -> Recipe:
    """Return the recipe of a model of `training.generate.gru`.

    Raises RunError if a tokenizer of the run is missing or does not fit the model's vocabulary.
    """
    weights = gru_step.weights_of(source.model)
    for name, table in ((QUESTIONS, weights.source), (REPLIES, weights.target)):
        check_tokenizer(source, name, len(table))
    return Recipe(
        _task(weights),
        (_encode(source, weights), _step(source, weights)),
        assets={name: source.assets / name for name in (QUESTIONS, REPLIES)},
    )


def _encode(source: Source, weights: gru_step.ChatWeights) -> Endpoint:
    inputs = gru_step.source(weights)
    return Endpoint(
        ENCODE,
        signed(inputs, lambda named: source.model.encode(named["source"])),
        inputs,
        gru_step.context(weights),
        lambda: gru_step.encoder(weights),
        read_examples(source, "source"),
    )


def _step(source: Source, weights: gru_step.ChatWeights) -> Endpoint:
    inputs = gru_step.inputs(weights)
    rng, shape = np.random.default_rng(0), (4, weights.decoder.units)
    example = {
        "ids": rng.integers(0, len(weights.target), (4, 1)).astype(np.int32),
        "positions": np.array([[0], [0], [1], [7]], np.int32),  # the first step, and later ones
        "h": rng.uniform(-1, 1, shape).astype(np.float32),
        "thought": rng.uniform(-1, 1, shape).astype(np.float32),
    }
    return Endpoint(
        STEP,
        signed(inputs, source.model.step),
        inputs,
        gru_step.outputs(weights),
        lambda: gru_step.step(weights),
        example,
    )


def _task(weights: gru_step.ChatWeights) -> Generate:
    from training.generate import pieces  # noqa: PLC0415

    questions, replies = (
        Tokenizer(kind="tokenizers", file=f"assets.extra/{name}") for name in (QUESTIONS, REPLIES)
    )
    return Generate(
        step=StepGraph(
            signature=STEP,
            tokens="ids",
            positions="positions",
            logits="logits",
            state=(StateEntry(input="h", output="h_out", mode="replace"),),
            context=tuple(tensor.name for tensor in gru_step.context(weights)),
        ),
        encoder=Encoder(
            signature=ENCODE,
            source="source",
            tokenizer=questions,
            vocabulary_size=len(weights.source),
            end_id=pieces.END,
        ),
        tokenizer=replies,
        vocabulary_size=len(weights.target),
        start_id=pieces.START,
        end_id=pieces.END,
        max_prompt_tokens=MAX_PROMPT_PIECES,
        max_new_tokens=MAX_NEW_PIECES,
    )

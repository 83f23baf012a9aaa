"""Describe a run of the word `translate` as a bundle: an encoder, and a step graph with a cache of keys and values.

Knows the assets that such a job leaves, and nothing of files or versions.
"""

from __future__ import annotations

from export import transformer_encoder, transformer_step
from export.examples import read_examples
from export.recipe import Endpoint, Recipe, Source
from export.signing import signed
from export.vocabulary import check_tokenizer
from service.bundle import StateEntry, StepGraph, Tensor, Tokenizer, Translate

ENCODE, STEP = "encode", "step"
SOURCE = "source"
TOKENIZERS = ("source.json", "target.json")
MAX_TOKENS = 128
"""Of a source and of a translation: more than any sentence has, less than the positions a model numbers."""


def describe(source: Source) -> Recipe:
    """Return the recipe of a Transformer of `training.translate.transformer`.

    Raises RunError if a tokenizer of the run is missing or does not fit the model's vocabulary.
    """
    weights = transformer_step.weights_of(source.model)
    sizes = source.model.dimensions.source_vocabulary, source.model.dimensions.target_vocabulary
    for name, size in zip(TOKENIZERS, sizes, strict=True):
        check_tokenizer(source, name, size)
    return Recipe(
        _task(weights),
        (_encode(source, weights, sizes[0]), _step(source, weights)),
        assets={name: source.assets / name for name in TOKENIZERS},
    )


def _encode(source: Source, weights: transformer_step.DecoderWeights, vocabulary: int) -> Endpoint:
    tokens = Tensor(
        name=SOURCE, dtype="int32", shape=("batch", "source"), kind="token_ids", range=(0, vocabulary)
    )
    encode = signed([tokens], lambda named: source.model.encode(named[SOURCE]))
    context = transformer_step.context(weights)
    encoder = transformer_encoder.weights_of(source.model)
    return Endpoint(
        ENCODE,
        encode,
        (tokens,),
        context,
        lambda: transformer_encoder.graph(encoder, tokens, context),
        read_examples(source, SOURCE),
    )


def _step(source: Source, weights: transformer_step.DecoderWeights) -> Endpoint:
    inputs, outputs = transformer_step.inputs(weights), transformer_step.outputs(weights)
    step = signed(inputs, source.model.step)
    return Endpoint(STEP, step, inputs, outputs, lambda: transformer_step.graph(weights))


def _task(weights: transformer_step.DecoderWeights) -> Translate:
    from training.translate import subwords  # noqa: PLC0415

    tokenizers = [Tokenizer(kind="tokenizers", file=f"assets.extra/{name}") for name in TOKENIZERS]
    states = [f"{letter}_{i}" for i in range(len(weights.blocks)) for letter in "kv"]
    return Translate(
        encode=ENCODE,
        source=SOURCE,
        step=StepGraph(
            signature=STEP,
            tokens="ids",
            positions="positions",
            past_mask="past_mask",
            logits="logits",
            state=tuple(
                StateEntry(input=f"past_{name}", output=f"new_{name}", mode="append", axis=2)
                for name in states
            ),
            context=tuple(tensor.name for tensor in transformer_step.context(weights)),
        ),
        source_tokenizer=tokenizers[0],
        target_tokenizer=tokenizers[1],
        source_language="en",
        target_language="fr",
        vocabulary_size=len(weights.embedding),
        start_id=subwords.START,
        end_id=subwords.END,
        pad_id=subwords.PAD,
        max_source_tokens=MAX_TOKENS,
        max_new_tokens=MAX_TOKENS,
    )

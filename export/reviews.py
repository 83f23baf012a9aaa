"""Describe the runs of `reviews-bilstm` and `reviews-attention` as bundles: a text in, a probability for each label out.

Knows the layers of these models by name and the assets of their runs, and nothing of ONNX.
"""

from __future__ import annotations

import json
from typing import Any

from export.classify import PROBABILITIES, SIGNATURE, read_labels
from export.errors import RunError
from export.examples import read_examples
from export.packed import PackedRecurrent, Rows
from export.recipe import Endpoint, Recipe, Source
from export.tracing import Named, trace
from export.vocabulary import check_tokenizer
from service.bundle import Classify, Tensor, TextInput, Tokenizer

IDS, ATTENTION = "ids", "attention"
TOKENIZER, WINDOW = "tokenizer.json", "window.json"
PAD = 0


def describe(source: Source) -> Recipe:
    """Return the recipe of a classifier of texts; with an attention layer, its weights are a second output.

    Raises RunError if tokenizer, window or labels of the run are missing or do not fit the model.
    """
    model = source.model
    vocabulary = int(model.get_layer("embedding").input_dim)
    check_tokenizer(source, TOKENIZER, vocabulary)
    attentive = ATTENTION in model.output_names
    rows = ("batch", "time")
    inputs = (Tensor(name=IDS, dtype="int32", shape=rows, kind="token_ids", range=(0, vocabulary), pad=PAD),)
    labels = int(model.get_layer(PROBABILITIES).units)
    outputs = [Tensor(name=PROBABILITIES, dtype="float32", shape=("batch", labels), range=(0.0, 1.0))]
    if attentive:
        outputs.append(Tensor(name=ATTENTION, dtype="float32", shape=rows, range=(0.0, 1.0)))
    answer = _attentive(model) if attentive else _recurrent(model)
    endpoint = Endpoint(
        SIGNATURE,
        trace(inputs, lambda given: answer(given[IDS])),
        inputs,
        tuple(outputs),
        example=read_examples(source, IDS),
    )
    task = Classify(
        signature=SIGNATURE,
        input=IDS,
        probabilities=PROBABILITIES,
        labels=read_labels(source, labels),
        accepts=_accepts(source),
        attention=ATTENTION if attentive else None,
    )
    assets = {name: source.assets / name for name in ("labels.json", TOKENIZER)}
    return Recipe(task, (endpoint,), assets=assets)


def _recurrent(model: Any) -> Any:
    layers = [PackedRecurrent(layer) for layer in model.layers if layer.name.startswith("recurrent_")]

    def answer(ids: Any) -> Named:
        rows = Rows.of(ids, PAD)
        x = _embedded(model, ids, rows)
        for layer in layers:
            x = layer(x, rows)
        return {PROBABILITIES: model.get_layer(PROBABILITIES)(x)}

    return answer


def _attentive(model: Any) -> Any:
    import tensorflow as tf  # noqa: PLC0415  # see export.saved_model

    first, attention = PackedRecurrent(model.get_layer("first")), model.get_layer(ATTENTION)

    def answer(ids: Any) -> Named:
        rows = Rows.of(ids, PAD)
        x, weights = attention(
            first(_embedded(model, ids, rows), rows), mask=tf.cast(rows.mask, tf.bool), training=False
        )
        return {PROBABILITIES: model.get_layer(PROBABILITIES)(x), ATTENTION: rows.back(weights)}

    return answer


def _embedded(model: Any, ids: Any, rows: Rows) -> Any:
    return model.get_layer("embedding")(rows.first(ids))


def _accepts(source: Source) -> TextInput:
    try:
        window = json.loads((source.assets / WINDOW).read_bytes())
        return TextInput(
            tokenizer=Tokenizer(kind="tokenizers", file=f"assets.extra/{TOKENIZER}"),
            max_tokens=window["length"],
            keep=window["keep"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{WINDOW} of the run cannot be read: {error}") from error

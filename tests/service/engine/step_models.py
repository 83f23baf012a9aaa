"""Two step graphs as plain functions: the next token follows from a row's whole history, so that a mistake shows.

Know nothing of generators.
"""

from collections.abc import Sequence

import numpy as np

from service.bundle import Signature, StateEntry, StepGraph, Tensor
from service.domain import Array, Tensors

VOCABULARY = 11
MODULUS = 9973


def signature(inputs: list[Tensor], outputs: list[Tensor]) -> Signature:
    return Signature(
        file="step.onnx", saved_model_signature="step", inputs=tuple(inputs), outputs=tuple(outputs)
    )


def logits_of(states: Sequence[int]) -> Array:
    """Logits that depend on the whole state, with clear winners."""
    rows = [np.random.default_rng(int(state)).normal(0, 3, VOCABULARY) for state in states]
    return np.array(rows, np.float32)


# A recurrent graph: ragged tokens, one replaced state.
RECURRENT = StepGraph(
    signature="step",
    tokens="ids",
    lengths="lengths",
    logits="logits",
    state=(StateEntry(input="h", output="h_out", mode="replace"),),
)
RECURRENT_SIGNATURE = signature(
    [
        Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids"),
        Tensor(name="lengths", dtype="int32", shape=("batch",), kind="lengths"),
        Tensor(name="h", dtype="int64", shape=("batch", 1), kind="state"),
    ],
    [
        Tensor(name="logits", dtype="float32", shape=("batch", VOCABULARY)),
        Tensor(name="h_out", dtype="int64", shape=("batch", 1)),
    ],
)


def fold(state: int, tokens: Sequence[int]) -> int:
    for token in tokens:
        state = (state * 31 + int(token) + 1) % MODULUS
    return state


def recurrent(feeds: Tensors) -> Tensors:
    states = [
        fold(int(h[0]), ids[:length])
        for h, ids, length in zip(feeds["h"], feeds["ids"], feeds["lengths"], strict=True)
    ]
    return {"logits": logits_of(states), "h_out": np.array(states, np.int64)[:, None]}


# An attention graph: one token a step, an appended cache, a context of its own for each sequence.
ATTENTION = StepGraph(
    signature="step",
    tokens="ids",
    positions="positions",
    past_mask="past_mask",
    logits="logits",
    state=(StateEntry(input="past", output="new", mode="append", axis=1),),
    context=("source",),
)
ATTENTION_SIGNATURE = signature(
    [
        Tensor(name="ids", dtype="int32", shape=("batch", 1), kind="token_ids"),
        Tensor(name="positions", dtype="int32", shape=("batch", 1), kind="positions"),
        Tensor(name="past_mask", dtype="float32", shape=("batch", "past"), kind="mask"),
        Tensor(name="past", dtype="float32", shape=("batch", "past", 1), kind="state"),
        Tensor(name="source", dtype="float32", shape=("batch", "length"), kind="context", pad=0),
    ],
    [
        Tensor(name="logits", dtype="float32", shape=("batch", VOCABULARY)),
        Tensor(name="new", dtype="float32", shape=("batch", 1, 1)),
    ],
)


def attention(feeds: Tensors) -> Tensors:
    states = []
    for row in range(len(feeds["ids"])):
        valid = feeds["past_mask"][row] > 0
        past = feeds["past"][row, valid, 0]
        assert feeds["positions"][row, 0] == len(past)
        history = [*past.tolist(), int(feeds["ids"][row, 0])]
        states.append(fold(int(feeds["source"][row].sum()), [int(token) for token in history]))
    return {"logits": logits_of(states), "new": feeds["ids"].astype(np.float32)[:, :, None]}

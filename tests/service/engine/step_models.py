"""Step graphs as plain functions: the next token follows from a row's whole history, so that a mistake shows.

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


# A graph as Hugging Face's exporters make it: ragged tokens, a mask over past and new, every token's logits,
# and a present that is the whole of past and new.
PRESENT = StepGraph(
    signature="step",
    tokens="input_ids",
    positions="position_ids",
    mask="attention_mask",
    logits="logits",
    state=(
        StateEntry(input="past_key_values.0.key", output="present.0.key", mode="append", axis=2, whole=True),
    ),
)
PRESENT_SIGNATURE = signature(
    [
        Tensor(name="input_ids", dtype="int64", shape=("batch", "sequence"), kind="token_ids"),
        Tensor(name="position_ids", dtype="int64", shape=("batch", "sequence"), kind="positions"),
        Tensor(name="attention_mask", dtype="int64", shape=("batch", "past + sequence"), kind="mask"),
        Tensor(name="past_key_values.0.key", dtype="float32", shape=("batch", 2, "past", 1), kind="state"),
    ],
    [
        Tensor(name="logits", dtype="float32", shape=("batch", "sequence", VOCABULARY)),
        Tensor(name="present.0.key", dtype="float32", shape=("batch", 2, "past + sequence", 1)),
    ],
)


def present(feeds: Tensors) -> Tensors:
    """Each token sees the valid past and the valid new tokens up to itself; the second head keeps negatives."""
    ids, past = feeds["input_ids"], feeds["past_key_values.0.key"]
    assert {feeds[name].dtype for name in ("input_ids", "position_ids", "attention_mask")} == {
        np.dtype("int64")
    }
    rows, time = ids.shape
    width = past.shape[2]
    assert feeds["attention_mask"].shape == (rows, width + time)
    new = np.stack([ids, -ids], axis=1).astype(np.float32)[..., None]
    logits = np.zeros((rows, time, VOCABULARY), np.float32)
    for row in range(rows):
        mask = feeds["attention_mask"][row] > 0
        before = past[row, :, mask[:width], 0].T
        assert (before[0] == -before[1]).all()
        for place in range(time):
            if mask[width + place]:
                assert feeds["position_ids"][row, place] == before.shape[1] + place
                logits[row, place] = logits_of([fold(0, [*before[0].tolist(), *ids[row, : place + 1]])])[0]
    return {"logits": logits, "present.0.key": np.concatenate([past, new], axis=2)}


# The same without positions: the graph counts them itself, from how much past it is given.
COUNTING = PRESENT.model_copy(update={"positions": None})
COUNTING_SIGNATURE = PRESENT_SIGNATURE.model_copy(
    update={"inputs": tuple(each for each in PRESENT_SIGNATURE.inputs if each.name != "position_ids")}
)


def counting(feeds: Tensors) -> Tensors:
    rows, time = feeds["input_ids"].shape
    width = feeds["past_key_values.0.key"].shape[2]
    assert feeds["attention_mask"][:, :width].all()
    positions = np.repeat(np.arange(width, width + time)[None], rows, axis=0)
    return present({**feeds, "position_ids": positions})

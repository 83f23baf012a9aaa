"""Descriptions of tensors that several tests of the export speak of."""

from service.bundle import Tensor

WORDS = (
    Tensor(name="ids", dtype="int32", shape=("batch", "time"), kind="token_ids", range=(0, 20)),
    Tensor(name="lengths", dtype="int32", shape=("batch",), kind="lengths"),
)
SCORES = (Tensor(name="probabilities", dtype="float32", shape=("batch", 3)),)
STEP = (
    Tensor(name="token", dtype="int32", shape=("batch", 1), kind="token_ids", range=(0, 50)),
    Tensor(name="position", dtype="int32", shape=("batch", 1), kind="positions", range=(0, 64)),
    Tensor(name="past_mask", dtype="float32", shape=("batch", "past"), kind="mask"),
    Tensor(name="past_key", dtype="float32", shape=("batch", 2, "past", 4), kind="state"),
    Tensor(name="source_mask", dtype="float32", shape=("batch", "source"), kind="mask"),
    Tensor(name="cross_key", dtype="float32", shape=("batch", 2, "source", 4), kind="context"),
)

"""TensorFlow Serving's `BatchingParameters` to settings of ours that mean the same.

Pure. Knows the message; knows neither files nor the batcher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pb import tfserving_pb2
from service.errors import Invalid
from service.protocols.tfserving.model_config import parse

_MAX_BATCH_SIZE = 1000
"""TensorFlow Serving's `max_batch_size` where a file has none."""


@dataclass(frozen=True, slots=True)
class Batching:
    """Settings of the group `engine` by name, and a sentence for each part that means nothing here."""

    engine: Mapping[str, float | int]
    without_effect: tuple[str, ...]


def read(text: str) -> Batching:
    """Return what a batching parameters file asks for; raises Invalid."""
    given = parse(text, tfserving_pb2.BatchingParameters)
    sizes = {name: _value(given, name) for name in ("max_batch_size", "max_execution_batch_size")}
    splits = given.enable_large_batch_splitting.value
    _check_allowed(given, sizes, splits=splits)
    rows = sizes["max_execution_batch_size"] if splits else None
    rows = rows or sizes["max_batch_size"]
    engine: dict[str, float | int] = {}
    if rows is not None:
        engine["max_rows"] = rows
    if given.HasField("batch_timeout_micros"):
        if given.batch_timeout_micros.value < 0:
            raise Invalid("batch_timeout_micros: expected 0 or more", field="batch_timeout_micros")
        engine["max_delay_s"] = given.batch_timeout_micros.value / 1e6
    batches = _value(given, "max_enqueued_batches")
    if batches is not None:
        engine["max_queued"] = batches * (rows or _MAX_BATCH_SIZE)
    return Batching(engine, tuple(_without_effect(given)))


def _value(given: Any, name: str) -> int | None:
    """Return a wrapped number, None if it is not there; raises Invalid if it is not positive."""
    if not given.HasField(name):
        return None
    value: int = getattr(given, name).value
    if value < 1:
        raise Invalid(f"{name}: expected 1 or more, got {value}", field=name)
    return value


def _check_allowed(given: Any, sizes: Mapping[str, int | None], *, splits: bool) -> None:
    allowed = list(given.allowed_batch_sizes)
    if not allowed:
        return
    if allowed != sorted(set(allowed)) or allowed[0] < 1:
        raise Invalid("allowed_batch_sizes: expected rising positive numbers", field="allowed_batch_sizes")
    name = "max_execution_batch_size" if splits and sizes["max_execution_batch_size"] else "max_batch_size"
    largest = sizes[name] or _MAX_BATCH_SIZE
    if allowed[-1] != largest:
        raise Invalid(
            f"the last of allowed_batch_sizes must be {name}, {largest}; got {allowed[-1]}",
            field="allowed_batch_sizes",
        )


def _without_effect(given: Any) -> list[str]:
    told = []
    if given.HasField("num_batch_threads") or given.HasField("thread_pool_name"):
        told.append("num_batch_threads and thread_pool_name: each graph has one thread that runs its batches")
    if given.allowed_batch_sizes:
        told.append("allowed_batch_sizes: batches are not filled up with rows, answers are the same")
    if given.pad_variable_length_inputs:
        told.append(
            "pad_variable_length_inputs: inputs of different length share a run only by the padding that a "
            "manifest declares, so that each answer is the one it would be alone"
        )
    if given.enable_large_batch_splitting.value:
        told.append("enable_large_batch_splitting: a request of more rows than a batch runs whole, by itself")
    return told

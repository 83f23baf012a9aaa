"""Our metrics by TensorFlow Serving's names (`servables/tensorflow/util.cc`, `batching/batching_session.cc`).

Knows which of our numbers mean the same. Times are microseconds, in our buckets.

A status is the name of a canonical code. `API` is what the task is called here, capitalised (`Predict`, `Classify`);
the queue that TensorFlow Serving knows by its thread pool is known by its model.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from service.observability.aliases.renaming import (
    MICROSECONDS,
    Labels,
    Readings,
    labelled,
    untyped,
)
from service.observability.families import Families

_STATUSES = {
    "ok": "OK",
    "invalid": "INVALID_ARGUMENT",
    "forbidden": "PERMISSION_DENIED",
    "too_large": "RESOURCE_EXHAUSTED",
    "overloaded": "RESOURCE_EXHAUSTED",
    "unsupported": "UNIMPLEMENTED",
    "timed_out": "DEADLINE_EXCEEDED",
}
"""Where a code of ours has another name there (`protocols.rpc` says the same of answers)."""
_BATCHING = ":tensorflow:serving:batching_session:"


class TfServingNames:
    """The aliases of one set of families."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def told(self, readings: Readings) -> Iterator[Metric]:
        """Yield every alias."""
        families = self._families
        yield untyped(
            ":tensorflow:serving:request_count",
            "Requests that came to an end.",
            readings.values(families.request_duration, "_count"),
            lambda labels: {"model_name": labels["model"], "status": _status(labels)},
        )
        yield readings.histogram(
            ":tensorflow:serving:request_latency",
            "Time in all of requests, in microseconds.",
            families.request_duration,
            lambda labels: {
                "model_name": labels["model"],
                "API": labels["word"].capitalize(),
                "entrypoint": labels["protocol"].upper(),
                "status": _status(labels),
            },
            MICROSECONDS,
        )
        yield readings.histogram(
            f"{_BATCHING}queuing_latency",
            "Time that requests waited for their first run, in microseconds.",
            families.queue_wait,
            labelled(model="thread_pool_name"),
            MICROSECONDS,
        )
        yield untyped(
            f"{_BATCHING}wrapped_run_count",
            "Runs of graphs.",
            readings.values(families.batches, "_total"),
            labelled(),
        )


def _status(labels: Labels) -> str:
    outcome = labels["outcome"]
    return _STATUSES.get(outcome, outcome.upper())

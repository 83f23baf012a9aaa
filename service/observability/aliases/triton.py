"""Our metrics by Triton Inference Server's names (core, `src/metric_model_reporter.cc` and `src/metrics.cc`).

Knows which of our numbers mean the same. Durations are cumulative microseconds of requests that were answered.

Requests for models that are not here have no series, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from prometheus_client import Metric

from service.domain import ModelId
from service.observability.aliases.renaming import (
    MICROSECONDS,
    Labels,
    Readings,
    Values,
    gauge,
    labelled,
    untyped,
)
from service.observability.families import UNKNOWN, Families
from service.observability.tally import Tally

_REASONS = {
    "overloaded": "REJECTED",
    "timed_out": "REJECTED",
    "unavailable": "REJECTED",
    "cancelled": "CANCELED",
    "internal": "BACKEND",
}
_VERSION = labelled(model="model", version="version")

Tallies = Callable[[], Iterable[tuple[ModelId, Tally]]]


class TritonNames:
    """The aliases of one set of families; `tallies` gives what was counted for each version."""

    def __init__(self, families: Families, tallies: Tallies) -> None:
        self._families = families
        self._tallies = tallies

    def told(self, readings: Readings) -> Iterator[Metric]:
        """Yield every alias."""
        yield from self._requests(readings)
        yield from self._runs(readings)
        yield from self._gauges(readings)

    def _requests(self, readings: Readings) -> Iterator[Metric]:
        requests, ok = self._families.request_duration, {"outcome": "ok"}
        yield untyped(
            "nv_inference_request_success",
            "Requests that were answered.",
            readings.values(requests, "_count", ok),
            _of_a_model,
        )
        yield untyped(
            "nv_inference_request_failure",
            "Requests that failed.",
            readings.values(requests, "_count"),
            _failed,
        )
        yield untyped(
            "nv_inference_request_duration_us",
            "Time in all of answered requests.",
            readings.values(requests, "_sum", ok),
            _of_a_model,
            MICROSECONDS,
        )
        yield untyped(
            "nv_inference_queue_duration_us",
            "Time that answered requests waited for their first run.",
            readings.values(self._families.queue_wait, "_sum"),
            _of_a_model,
            MICROSECONDS,
        )
        yield untyped(
            "nv_inference_compute_infer_duration_us",
            "Time that answered requests were in runs.",
            self._run_times(),
            _VERSION,
            MICROSECONDS,
        )

    def _runs(self, readings: Readings) -> Iterator[Metric]:
        rows = self._families.batch_rows
        yield untyped("nv_inference_count", "Rows that were run.", readings.values(rows, "_sum"), _VERSION)
        yield untyped("nv_inference_exec_count", "Runs of graphs.", readings.values(rows, "_count"), _VERSION)

    def _gauges(self, readings: Readings) -> Iterator[Metric]:
        families = self._families
        yield gauge(
            "nv_inference_pending_request_count",
            "Requests that wait for their first run.",
            chain(readings.values(families.queue_depth), readings.values(families.sequences_waiting)),
            _VERSION,
        )
        yield gauge(
            "nv_model_load_duration_secs",
            "How long loading took.",
            readings.values(families.model_load_duration),
            _VERSION,
        )

    def _run_times(self) -> Values:
        for model, tally in self._tallies():
            yield {"model": model.name, "version": str(model.version)}, tally.ran.total_s


def _of_a_model(labels: Labels) -> Labels | None:
    return None if labels["model"] == UNKNOWN else _VERSION(labels)


def _failed(labels: Labels) -> Labels | None:
    theirs = _of_a_model(labels)
    if theirs is None or labels["outcome"] == "ok":
        return None
    return {**theirs, "reason": _REASONS.get(labels["outcome"], "OTHER")}

"""The generators' metrics by vLLM's names (`vllm/v1/metrics/loggers.py`).

Knows which of our numbers mean the same. Its label `engine` has the version here.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from service.observability.aliases.renaming import (
    Labels,
    Readings,
    Values,
    counter,
    gauge,
    labelled,
)
from service.observability.families import Families

WORDS = ("generate", "translate")
_VERSION = labelled(model="model_name", version="engine")


class VllmNames:
    """The aliases of one set of families."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def told(self, readings: Readings) -> Iterator[Metric]:
        """Yield every alias."""
        yield from self._gauges(readings)
        yield from self._counters(readings)
        yield from self._times(readings)

    def _gauges(self, readings: Readings) -> Iterator[Metric]:
        families = self._families
        for name, family, text in (
            ("vllm:num_requests_running", families.sequences_running, "Sequences that are read or step."),
            (
                "vllm:num_requests_waiting",
                families.sequences_waiting,
                "Sequences that wait for rows, or have read and wait to step.",
            ),
        ):
            yield gauge(name, text, readings.values(family), _VERSION)
        yield gauge(
            "vllm:kv_cache_usage_perc",
            "Share of the state memory in use, where it is bounded.",
            self._cache_usage(readings),
            _VERSION,
        )

    def _counters(self, readings: Readings) -> Iterator[Metric]:
        families = self._families
        yield counter(
            "vllm:num_preemptions",
            "Sequences that had to yield their rows.",
            readings.values(families.preemptions, "_total"),
            _VERSION,
        )
        for name, kind in (("vllm:prompt_tokens", "prompt"), ("vllm:generation_tokens", "completion")):
            tokens = readings.values(families.tokens, "_total", {"kind": kind})
            yield counter(name, f"Tokens, {kind}.", tokens, _VERSION)
        yield counter(
            "vllm:request_success",
            "Sequences that came to their end.",
            readings.values(families.generations, "_total"),
            labelled(model="model_name", version="engine", finish_reason="finished_reason"),
        )

    def _times(self, readings: Readings) -> Iterator[Metric]:
        families = self._families
        for name, family, text in (
            ("time_to_first_token_seconds", families.time_to_first_token, "Time to a stream's first token."),
            ("time_per_output_token_seconds", families.time_between_tokens, "Time for each further token."),
            ("inter_token_latency_seconds", families.time_between_tokens, "Time for each further token."),
        ):
            yield readings.histogram(f"vllm:{name}", text, family, _VERSION)
        yield readings.histogram(
            "vllm:e2e_request_latency_seconds",
            "Time in all of generations that were answered.",
            families.request_duration,
            lambda labels: _generated(labels) if labels["outcome"] == "ok" else None,
        )
        yield readings.histogram(
            "vllm:request_queue_time_seconds",
            "Time that generations waited.",
            families.queue_wait,
            _generated,
        )

    def _cache_usage(self, readings: Readings) -> Values:
        limits = {
            tuple(labels.items()): limit for labels, limit in readings.values(self._families.cache_bytes)
        }
        for labels, used in readings.values(self._families.cache_bytes_in_use):
            limit = limits.get(tuple(labels.items()), 0.0)
            if limit > 0:
                yield labels, used / limit


def _generated(labels: Labels) -> Labels | None:
    return _VERSION(labels) if labels["word"] in WORDS else None

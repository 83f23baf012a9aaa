"""The name, labels and buckets of every metric of the gateway.

Knows nothing of who records them (`metrics` does).

Names begin with `sluice_` (those of the process itself are the usual `process_` and `python_`); times are
seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from service.observability.memory import MemoryLimit

DURATIONS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
VERSION = ("model", "version")
GRAPH = ("model", "version", "signature")
UNKNOWN = "unknown"
"""The model of requests that found none."""


class Families:
    """All metrics in one registry of their own; `by_version` are those with a series for each version."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.by_version: list[Histogram | Counter | Gauge] = []
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(MemoryLimit())
        self._requests()
        self._runs()
        self._tokens()
        self._models()

    def _requests(self) -> None:
        self.request_duration = self._histogram(
            "request_duration_seconds",
            "From the gateway's door to the answer, the last token included.",
            (*VERSION, "word", "protocol", "outcome"),
        )
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "How long a request waited for its first run.", (*VERSION, "word")
        )
        self.last_success = self._gauge(
            "last_success_timestamp_seconds", "When a version last answered; 0 before it first did.", VERSION
        )
        self.in_flight = self._gauge("requests_in_flight", "Requests being answered.")
        self.refusals = self._counter(
            "refusals", "Requests that were turned away, by why.", ("model", "reason")
        )

    def _runs(self) -> None:
        self.run_duration = self._histogram("run_duration_seconds", "One run of a graph.", GRAPH)
        self.batch_rows = self._histogram("batch_rows", "Rows in a run.", GRAPH, ROWS)
        self.batch_padding = self._histogram(
            "batch_padding_ratio", "Share of a run's elements that is padding.", GRAPH, SHARES
        )
        self.batches = self._counter(
            "batches",
            "Runs, by why they were dispatched then and whether they failed.",
            (*GRAPH, "reason", "outcome"),
        )
        self.queue_depth = self._gauge("queue_depth", "Requests that wait for a graph.", GRAPH)

    def _tokens(self) -> None:
        self.tokens = self._counter(
            "tokens", "Tokens read (prompt) and made (completion).", (*VERSION, "kind")
        )
        self.time_to_first_token = self._histogram(
            "time_to_first_token_seconds", "From the gateway's door to a stream's first token.", VERSION
        )
        self.time_between_tokens = self._histogram(
            "time_between_tokens_seconds", "Time for each further token of a stream.", VERSION
        )
        self.slots_in_use = self._gauge("slots_in_use", "Generator rows that are taken.", VERSION)
        self.sequences_waiting = self._gauge(
            "sequences_waiting",
            "Sequences that wait for generator rows, or have read and wait to step.",
            VERSION,
        )
        self.slots = self._gauge("slots", "Generator rows there are.", VERSION)
        self.sequences_running = self._gauge("sequences_running", "Sequences that are read or step.", VERSION)
        self.cache_bytes_in_use = self._gauge(
            "cache_bytes_in_use", "State memory of the rows that are taken.", VERSION
        )
        self.cache_bytes = self._gauge(
            "cache_bytes", "State memory that rows may have; 0 if only their number is bounded.", VERSION
        )
        self.preemptions = self._counter(
            "preemptions", "Sequences that had to yield their rows because the cache was full.", VERSION
        )
        self.generations = self._counter(
            "generations", "Sequences that came to their end, by why.", (*VERSION, "finish_reason")
        )
        self.loop_duration = self._histogram(
            "loop_duration_seconds",
            "What a generator's loop took between two runs, the session left out.",
            GRAPH,
        )

    def _models(self) -> None:
        self.model_state = self._gauge(
            "model_state", "1 for the state that a version is in, else 0.", (*VERSION, "state")
        )
        self.model_load_duration = self._gauge(
            "model_load_duration_seconds", "How long loading a version took.", VERSION
        )
        self.model_load_failures = self._counter(
            "model_load_failures", "Loads that failed, by what was wrong.", ("model", "reason")
        )
        self.model_refused = self._gauge(
            "model_refused",
            "1 for a version whose files are not served, by what is wrong.",
            (*VERSION, "reason"),
        )
        self.scan_failures = self._counter(
            "repository_scan_failures", "Looks at the models directory that failed."
        )
        self.storage_reachable = self._gauge(
            "storage_reachable",
            "1 if the model storage at a URL was listed at the last look, else 0.",
            ("place",),
        )
        self.storage_fetched_bytes = self._counter(
            "storage_fetched_bytes", "Bytes of model files that came from model storage."
        )
        self.storage_cache_bytes = self._gauge(
            "storage_cache_bytes", "Size of the cache of model storage after the last version was fetched."
        )
        self.export_parity = self._gauge(
            "export_parity_ratio",
            "Largest relative difference between SavedModel and ONNX graph that export measured.",
            GRAPH,
        )
        self.build = self._gauge("build_info", "Always 1; the labels say what runs.", ("version", "python"))

    def _histogram(
        self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float] = DURATIONS_S
    ) -> Histogram:
        family = Histogram(f"sluice_{name}", text, labels, buckets=buckets, registry=self.registry)
        self._remember(family, labels)
        return family

    def _counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        family = Counter(f"sluice_{name}", text, labels, registry=self.registry)
        self._remember(family, labels)
        return family

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        family = Gauge(f"sluice_{name}", text, labels, registry=self.registry)
        self._remember(family, labels)
        return family

    def _remember(self, family: Histogram | Counter | Gauge, labels: Sequence[str]) -> None:
        if "version" in labels and "model" in labels:
            self.by_version.append(family)

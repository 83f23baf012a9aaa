"""Which metrics there are, and that labels stay bounded."""

from __future__ import annotations

import re
import timeit

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.domain import ModelId
from service.observability.metrics import Metrics

A1, A2 = ModelId("a", 1), ModelId("a", 2)

NAMES = {
    "sluice_request_duration_seconds": ("model", "version", "word", "protocol", "outcome"),
    "sluice_queue_wait_seconds": ("model", "version", "word"),
    "sluice_requests_in_flight": (),
    "sluice_refusals": ("model", "reason"),
    "sluice_run_duration_seconds": ("model", "version", "signature"),
    "sluice_batch_rows": ("model", "version", "signature"),
    "sluice_batch_padding_ratio": ("model", "version", "signature"),
    "sluice_batches": ("model", "version", "signature", "reason", "outcome"),
    "sluice_queue_depth": ("model", "version", "signature"),
    "sluice_tokens": ("model", "version", "kind"),
    "sluice_time_to_first_token_seconds": ("model", "version"),
    "sluice_time_between_tokens_seconds": ("model", "version"),
    "sluice_slots_in_use": ("model", "version"),
    "sluice_sequences_waiting": ("model", "version"),
    "sluice_slots": ("model", "version"),
    "sluice_sequences_running": ("model", "version"),
    "sluice_cache_bytes": ("model", "version"),
    "sluice_cache_bytes_in_use": ("model", "version"),
    "sluice_preemptions": ("model", "version"),
    "sluice_generations": ("model", "version", "finish_reason"),
    "sluice_loop_duration_seconds": ("model", "version", "signature"),
    "sluice_model_state": ("model", "version", "state"),
    "sluice_model_load_duration_seconds": ("model", "version"),
    "sluice_model_load_failures": ("model", "reason"),
    "sluice_model_refused": ("model", "version", "reason"),
    "sluice_last_success_timestamp_seconds": ("model", "version"),
    "sluice_memory_limit_bytes": (),
    "sluice_repository_scan_failures": (),
    "sluice_storage_reachable": ("place",),
    "sluice_storage_fetched_bytes": (),
    "sluice_storage_cache_bytes": (),
    "sluice_export_parity_ratio": ("model", "version", "signature"),
    "sluice_build_info": ("version", "python"),
}
"""Dashboards and alerts are built on these: a change here is a change for users."""


class Rows:
    """A generator of which half the cache is taken."""

    slots = 32
    slots_in_use = 3
    running = 2
    waiting = 5
    cache_bytes_in_use = 500
    cache_bytes_limit = 1000


def used() -> Metrics:
    """Metrics in which everything has happened once."""
    metrics = Metrics()
    recorder = metrics.version(A1)
    recorder.answered("generate", "rest", "ok", 0.1)
    recorder.refused("overloaded")
    recorder.waited("generate", 0.01)
    recorder.counted_tokens(3, 5)
    recorder.first_token(0.1)
    recorder.next_token(0.01)
    metrics.graph(A1, "step").ran(4, 0.002, 0.25, "idle", failed=False)
    metrics.watch_queue(A1, "step", lambda: 7)
    metrics.graph(A1, "step").stepped(4, 0.002, 0.0004, failed=False)
    metrics.watch_generator(A1, Rows())
    recorder.finished("stop")
    recorder.preempted()
    metrics.watch_in_flight(lambda: 9)
    metrics.state(A1, "available")
    metrics.loaded(A1, 1.5, [("step", 1e-6)])
    metrics.load_failed(A2, "golden")
    metrics.scan_failed()
    metrics.storage_looked("s3://bucket/models", reachable=False)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.families.registry.get_sample_value(name, labels)


def test_every_metric_has_its_name_and_its_labels() -> None:
    found = {
        family.name: tuple(sorted(set(sample.labels) - {"le"}))
        for family in used().families.registry.collect()
        for sample in family.samples[:1]
        if family.name.startswith("sluice_")
        if not family.name.startswith(("process_", "python_", "vllm:"))
    }
    assert found == {name: tuple(sorted(labels)) for name, labels in NAMES.items()}


def test_the_process_itself_is_measured_under_the_usual_names() -> None:
    names = {family.name for family in Metrics().families.registry.collect()}
    assert "process_resident_memory_bytes" in names
    assert "process_cpu_seconds" in names


def test_the_text_is_what_prometheus_reads() -> None:
    text = used().text().decode()
    assert "# TYPE sluice_request_duration_seconds histogram" in text
    assert (
        'sluice_batches_total{model="a",outcome="ok",reason="idle",signature="step",version="1"} 1.0' in text
    )


def test_a_state_is_one_of_all_states() -> None:
    metrics = used()
    metrics.state(A1, "draining")
    states = {
        state: value(metrics, "sluice_model_state", model="a", version="1", state=state)
        for state in ("loading", "available", "draining", "failed", "unloaded")
    }
    assert states == {"loading": 0, "available": 0, "draining": 1, "failed": 0, "unloaded": 0}


def test_gauges_are_asked_at_each_scrape() -> None:
    metrics = used()
    assert value(metrics, "sluice_queue_depth", model="a", version="1", signature="step") == 7
    assert value(metrics, "sluice_slots_in_use", model="a", version="1") == 3
    assert value(metrics, "sluice_requests_in_flight") == 9


def test_an_unloaded_version_is_asked_no_more_and_keeps_its_counts() -> None:
    metrics = used()
    metrics.unloaded(A1)
    text = metrics.text().decode()
    assert "sluice_queue_depth{" not in text
    assert "sluice_slots_in_use{" not in text
    assert value(metrics, "sluice_tokens_total", model="a", version="1", kind="prompt") == 3


def test_a_forgotten_version_leaves_no_series_and_others_stay() -> None:
    metrics = used()
    metrics.version(A2).answered("generate", "rest", "ok", 0.1)
    metrics.forget(A1)
    text = metrics.text().decode()
    assert 'version="1"' not in text
    assert 'version="2"' in text


def test_a_recorder_is_made_once_for_a_version() -> None:
    metrics = Metrics()
    assert metrics.version(A1) is metrics.version(A1)


def test_two_gateways_in_one_process_do_not_share_metrics() -> None:
    used()
    assert "model=" not in Metrics().text().decode()


def test_recording_an_answer_is_cheap() -> None:
    """Two histograms with kept children take about 2 µs; looking labels up again takes several times that."""
    recorder = Metrics().version(A1)

    def record() -> None:
        recorder.answered("predict", "rest", "ok", 0.001)
        recorder.waited("predict", 0.0001)

    record()
    assert min(timeit.repeat(record, number=1000, repeat=7)) / 1000 < 20e-6


def test_without_openmetrics_there_are_no_exemplars() -> None:
    metrics = Metrics()
    metrics.version(A1).answered("predict", "rest", "ok", 0.1, {"trace_id": "abc"})
    for accept in (
        "",
        "*/*",
        "text/plain; version=0x1",
        "text/plain;version=0.0.4",
        "application/json",
        "nonsense;;;q=,",
    ):
        text, media_type = metrics.exposition(accept)
        assert b"_bucket{" in text
        assert b"abc" not in text
        assert media_type == "text/plain; version=0.0.4; charset=utf-8"


def test_every_metric_can_be_read_as_openmetrics() -> None:
    text, media_type = used().exposition("application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in text_string_to_metric_families(text.decode())}
    assert set(NAMES) <= names


def test_every_series_has_the_same_name_in_both_formats() -> None:
    metrics = used()
    for accept in (
        "application/openmetrics-text; version=new",
        "text/plain, application/openmetrics-text;q=0.5",
    ):
        text, media_type = metrics.exposition(accept)
        assert media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert series(text) - series(metrics.text()) == set()
        assert {name for name in series(metrics.text()) if not name.endswith("_created")} <= series(text)


def series(text: bytes) -> set[str]:
    """Return the names of all series of an exposition."""
    lines = text.decode().splitlines()
    return {re.split("[{ ]", line)[0] for line in lines if not line.startswith("#")}

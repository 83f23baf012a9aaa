"""Triton's names say what our own say."""

import pytest

from service.domain import ModelId, Timing
from service.observability.metrics import Metrics

MODEL = ModelId("digits", 2)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    registry = metrics.families.registry
    return registry.get_sample_value(name, {"model": "digits", "version": "2", **labels})


def used() -> Metrics:
    metrics = Metrics()
    recorder = metrics.version(MODEL)
    for protocol, duration_s, timing in (
        ("rest", 0.5, Timing(queue_s=0.25, run_s=0.125)),
        ("grpc", 0.25, Timing(queue_s=0.0, run_s=0.125)),
    ):
        recorder.answered("classify", protocol, "ok", duration_s)
        recorder.waited("classify", timing.queue_s)
        recorder.tally.answer(duration_s, timing)
    for outcome in ("overloaded", "timed_out", "cancelled", "internal", "invalid", "not_found"):
        recorder.answered("classify", "rest", outcome, 9.0)
    metrics.unknown.answered("classify", "rest", "not_found", 9.0)
    metrics.graph(MODEL, "serving_default").ran(5, 0.125, 0.0, "idle", failed=False)
    metrics.graph(MODEL, "serving_default").ran(1, 0.125, 0.0, "idle", failed=False)
    metrics.watch_queue(MODEL, "serving_default", lambda: 3)
    metrics.watch_queue(MODEL, "embed", lambda: 4)
    metrics.loaded(MODEL, 1.5, ())
    return metrics


def test_requests_by_how_they_ended() -> None:
    metrics = used()
    assert value(metrics, "nv_inference_request_success") == 2
    failures = {
        reason: value(metrics, "nv_inference_request_failure", reason=reason)
        for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER")
    }
    assert failures == {"REJECTED": 2, "CANCELED": 1, "BACKEND": 1, "OTHER": 2}


def test_times_are_microseconds_of_answered_requests() -> None:
    metrics = used()
    assert value(metrics, "nv_inference_request_duration_us") == 750_000
    assert value(metrics, "nv_inference_queue_duration_us") == 250_000
    assert value(metrics, "nv_inference_compute_infer_duration_us") == 250_000


def test_rows_and_runs() -> None:
    metrics = used()
    assert value(metrics, "nv_inference_count") == 6
    assert value(metrics, "nv_inference_exec_count") == 2


def test_what_waits_is_added_up_over_the_graphs_of_a_version() -> None:
    metrics = used()
    assert value(metrics, "nv_inference_pending_request_count") == 7
    assert value(metrics, "nv_model_load_duration_secs") == 1.5


def test_requests_for_models_that_are_not_here_have_no_series() -> None:
    lines = used().text().decode().splitlines()
    assert not [line for line in lines if line.startswith("nv_") and "unknown" in line]


@pytest.mark.parametrize("prefix", ["nv_", ":tensorflow:"])
def test_aliases_can_be_left_out(prefix: str) -> None:
    assert f"\n{prefix}" in used().text().decode()
    without = Metrics(aliases=False)
    without.version(MODEL).answered("classify", "rest", "ok", 0.1)
    assert f"\n{prefix}" not in without.text().decode()

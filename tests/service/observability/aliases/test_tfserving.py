"""TensorFlow Serving's names say what our own say."""

import pytest

from service.domain import ModelId
from service.errors import Code
from service.observability.aliases.tfserving import _status
from service.observability.metrics import Metrics
from service.protocols.rpc import GRPC_STATUS

MODEL = ModelId("digits", 2)
PREFIX = ":tensorflow:serving:"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.families.registry.get_sample_value(PREFIX + name, labels)


def used() -> Metrics:
    metrics = Metrics()
    for version in (1, 2):
        recorder = metrics.version(ModelId("digits", version))
        recorder.answered("predict", "rest", "ok", 0.0002)
        recorder.waited("predict", 0.003)
        metrics.graph(ModelId("digits", version), "serving_default").ran(1, 0.1, 0.0, "idle", failed=False)
    recorder.answered("predict", "grpc", "timed_out", 0.3)
    metrics.unknown.answered("classify", "rest", "not_found", 0.1)
    return metrics


def test_requests_by_model_and_status() -> None:
    metrics = used()
    assert value(metrics, "request_count", model_name="digits", status="OK") == 2
    assert value(metrics, "request_count", model_name="digits", status="DEADLINE_EXCEEDED") == 1
    assert value(metrics, "request_count", model_name="unknown", status="NOT_FOUND") == 1


def test_latency_is_a_histogram_in_microseconds() -> None:
    metrics = used()
    labels = {"model_name": "digits", "API": "Predict", "entrypoint": "REST", "status": "OK"}
    assert value(metrics, "request_latency_count", **labels) == 2
    assert value(metrics, "request_latency_sum", **labels) == pytest.approx(400)
    buckets = {
        bound: value(metrics, "request_latency_bucket", **labels, le=bound)
        for bound in ("100.0", "250.0", "2500.0", "60000000.0", "+Inf")
    }
    assert buckets == {"100.0": 0, "250.0": 2, "2500.0": 2, "60000000.0": 2, "+Inf": 2}


def test_waiting_and_runs() -> None:
    metrics = used()
    queue = {"thread_pool_name": "digits"}
    assert value(metrics, "batching_session:queuing_latency_sum", **queue) == pytest.approx(6000)
    assert value(metrics, "batching_session:queuing_latency_bucket", **queue, le="5000.0") == 2
    assert value(metrics, "batching_session:wrapped_run_count") == 2


def test_a_status_is_that_of_the_answer() -> None:
    for code in Code:
        assert _status({"outcome": code.value.lower()}) == GRPC_STATUS[code].name


def test_prometheus_reads_them() -> None:
    text = used().text().decode()
    assert "# TYPE :tensorflow:serving:request_latency histogram" in text
    assert ':tensorflow:serving:request_count{model_name="digits",status="OK"} 2.0' in text

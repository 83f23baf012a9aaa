"""vLLM's names say what our own say."""

from service.domain import ModelId
from service.observability.metrics import Metrics

MODEL = ModelId("prose", 2)


class Rows:
    """A generator of which a quarter of the cache is taken."""

    slots = 32
    slots_in_use = 3
    running = 2
    waiting = 5
    cache_bytes_in_use = 250
    cache_bytes_limit: int | None = 1000


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.families.registry.get_sample_value(
        f"vllm:{name}", {"model_name": "prose", "engine": "2", **labels}
    )


def used() -> Metrics:
    metrics = Metrics()
    recorder = metrics.version(MODEL)
    metrics.watch_generator(MODEL, Rows())
    recorder.answered("generate", "rest", "ok", 0.2)
    recorder.answered("generate", "grpc", "ok", 0.4)
    recorder.answered("generate", "grpc", "cancelled", 9.0)
    recorder.answered("predict", "rest", "ok", 9.0)
    recorder.waited("generate", 0.01)
    recorder.waited("predict", 9.0)
    recorder.counted_tokens(3, 5)
    recorder.finished("stop")
    recorder.finished("length")
    recorder.finished("length")
    recorder.preempted()
    recorder.first_token(0.05)
    recorder.next_token(0.01)
    return metrics


def test_what_runs_and_waits() -> None:
    metrics = used()
    assert value(metrics, "num_requests_running") == 2
    assert value(metrics, "num_requests_waiting") == 5
    assert value(metrics, "kv_cache_usage_perc") == 0.25


def test_what_was_counted() -> None:
    metrics = used()
    assert value(metrics, "prompt_tokens_total") == 3
    assert value(metrics, "generation_tokens_total") == 5
    assert value(metrics, "num_preemptions_total") == 1
    assert value(metrics, "request_success_total", finished_reason="stop") == 1
    assert value(metrics, "request_success_total", finished_reason="length") == 2


def test_times_are_those_of_generations_that_were_answered_over_every_protocol() -> None:
    metrics = used()
    assert value(metrics, "e2e_request_latency_seconds_count") == 2
    assert value(metrics, "e2e_request_latency_seconds_bucket", le="0.25") == 1
    assert value(metrics, "request_queue_time_seconds_sum") == 0.01
    assert value(metrics, "time_to_first_token_seconds_count") == 1
    assert value(metrics, "time_per_output_token_seconds_sum") == 0.01
    assert value(metrics, "inter_token_latency_seconds_sum") == 0.01


def test_a_cache_without_a_bound_has_no_share_in_use() -> None:
    metrics = Metrics()
    rows = Rows()
    rows.cache_bytes_limit = None
    metrics.watch_generator(MODEL, rows)
    assert value(metrics, "kv_cache_usage_perc") is None
    assert value(metrics, "num_requests_running") == 2


def test_prometheus_reads_them() -> None:
    text = used().text().decode()
    assert "# TYPE vllm:time_to_first_token_seconds histogram" in text
    assert 'vllm:request_success_total{engine="2",finished_reason="stop",model_name="prose"} 1.0' in text

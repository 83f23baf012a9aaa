"""Traces of a real process: what a collector gets, what `/metrics` and the log say of it, and what failures cost."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service.protocols.tasks import tensors
from tests.e2e.conftest import Server, free_ports
from tests.support import bundles
from tests.support.collector import Collector, Received
from tests.support.traces import MALFORMED

CALLER = "00f067aa0ba902b7"
PROMPT = "abcabc"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
X = [[1.25, 2.5, 3.75, 471109.5]]
PAYLOAD = "471109.5"


@dataclass(frozen=True)
class Scene:
    """What happened in one process, which has ended since."""

    collector: Collector
    rest: str
    rpc: str
    text: str
    bad: str
    predicted: httpx.Response
    initial: dict[str, str]
    malformed: list[httpx.Response]
    exposition: str
    log: list[dict[str, Any]]
    exit_code: int

    def whole(self, trace_id: str) -> Received:
        """Return the span of a request itself."""
        (span,) = (span for span in self.collector.of_trace(trace_id).values() if span.parent_id == CALLER)
        return span


def parent(trace_id: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CALLER}-01", "tracestate": "vendor=1"}


def predict_over_rpc(server: Server, trace_id: str) -> dict[str, str]:
    request = pb.PredictRequest(model=pb.ModelRef(name="multiply"))
    request.inputs["x"].CopyFrom(tensors.encode(np.array(X, np.float32)))
    _, call = InferenceStub(server.channel).Predict.with_call(
        request, metadata=tuple(parent(trace_id).items())
    )
    return {str(name): str(value) for name, value in call.initial_metadata()}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    models = tmp_path_factory.mktemp("models")
    bundles.write_multiply(models)
    bundles.write_generator(models)
    rest, rpc, text, bad = (secrets.token_hex(16) for _ in range(4))
    # Two requests of one row make a full batch: nobody waits for the delay, and both are in one run.
    flags = ("--engine-max-rows=2", "--engine-max-delay-s=10", "--log-access=true")
    with Collector() as collector:
        with Server(models, *flags, f"--tracing-endpoint={collector.endpoint}") as server:
            server.wait_until_available("multiply")
            server.wait_until_available("letters")
            ask = {"model": "multiply", "inputs": {"x": X}}
            with ThreadPoolExecutor(1) as thread:
                over_rpc = thread.submit(predict_over_rpc, server, rpc)
                predicted = server.post("predict", ask, **parent(rest), **{"x-request-id": "mine-1"})
                initial = over_rpc.result(timeout=20)
            malformed = [
                server.post("generate", {"prompt": "a", "max_tokens": 1}, traceparent=each)
                for each in MALFORMED
                if each.isascii() and len(each) < 1000
            ]
            stream = {"model": "letters", "prompt": PROMPT, "max_tokens": 5, "stream": True}
            assert server.post("generate", stream, **parent(text)).status_code == 200
            server.post("predict", {"model": "multiply", "inputs": {"x": [["no"]]}}, **parent(bad))
            exposition = server.operations.get("/metrics", headers={"accept": OPENMETRICS}).text
            exit_code = server.stop()
            server.process.wait()
        log = [json.loads(line) for line in server.log().splitlines()]
        yield Scene(
            collector, rest, rpc, text, bad, predicted, initial, malformed, exposition, log, exit_code
        )


def test_what_is_left_is_sent_before_the_process_ends(scene: Scene) -> None:
    assert scene.exit_code == 0
    assert scene.collector.services == {"sluice"}
    assert {scene.rest, scene.rpc, scene.text, scene.bad} <= {span.trace_id for span in scene.collector.spans}


def test_a_request_over_rest_is_below_its_caller_and_its_stages_are_below_it(scene: Scene) -> None:
    spans = scene.collector.of_trace(scene.rest)
    whole = scene.whole(scene.rest)
    assert (whole.name, whole.attributes["http.response.status_code"]) == ("POST /v1/predict", 200)
    assert whole.attributes["sluice.model"] == "multiply"
    assert whole.attributes["sluice.request_id"] == "mine-1"
    assert set(spans) == {whole.name, "decode", "queue", "run", "encode"}
    order = [spans[name] for name in ("decode", "queue", "run", "encode")]
    for stage in order:
        assert stage.parent_id == whole.span_id
        assert whole.started_ns <= stage.started_ns <= stage.ended_ns <= whole.ended_ns
    assert [each.started_ns for each in order] == sorted(each.started_ns for each in order)


def test_a_request_over_grpc_is_too(scene: Scene) -> None:
    whole = scene.whole(scene.rpc)
    assert whole.name == "sluice.v1.Inference/Predict"
    assert whole.attributes["rpc.response.status_code"] == "OK"
    assert set(scene.collector.of_trace(scene.rpc)) == {whole.name, "decode", "queue", "run", "encode"}


def test_a_batch_is_linked_to_the_requests_in_it_and_they_to_it(scene: Scene) -> None:
    (batch,) = (span for span in scene.collector.spans if span.name == "batch multiply")
    both = [scene.whole(trace_id) for trace_id in (scene.rest, scene.rpc)]
    assert set(batch.links) == {(span.trace_id, span.span_id) for span in both}
    assert (batch.attributes["sluice.batch.rows"], batch.attributes["sluice.batch.reason"]) == (2, "full")
    for span in both:
        run = scene.collector.of_trace(span.trace_id)["run"]
        assert run.links == ((batch.trace_id, batch.span_id),)


def test_a_stream_waits_reads_its_prompt_and_makes_tokens(scene: Scene) -> None:
    spans = scene.collector.of_trace(scene.text)
    assert {"decode", "queue", "prefill", "tokens", "encode"} < set(spans)
    assert spans["prefill"].ended_ns == spans["tokens"].started_ns
    whole = scene.whole(scene.text)
    assert (
        whole.attributes["gen_ai.usage.output_tokens"]
        == spans["tokens"].attributes["gen_ai.usage.output_tokens"]
    )
    assert whole.attributes["gen_ai.request.model"] == "letters"


def test_a_request_that_is_refused_says_why(scene: Scene) -> None:
    whole = scene.whole(scene.bad)
    assert whole.attributes["http.response.status_code"] == 400
    assert whole.attributes["error.type"] == "INVALID"
    assert not whole.failed


def test_the_answer_has_the_context_of_the_gateways_span(scene: Scene) -> None:
    for told, trace_id in ((scene.predicted.headers, scene.rest), (scene.initial, scene.rpc)):
        assert told["traceparent"] == f"00-{trace_id}-{scene.whole(trace_id).span_id}-01"
        assert told["tracestate"] == "vendor=1"


def test_a_malformed_context_costs_nothing_but_itself(scene: Scene) -> None:
    known = {span.trace_id for span in scene.collector.spans if not span.parent_id}
    for answer in scene.malformed:
        assert answer.status_code == 200
        assert answer.headers["traceparent"].split("-")[1] in known


def test_latency_histograms_have_exemplars_for_whoever_asks_for_openmetrics(scene: Scene) -> None:
    shown: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scene.exposition):
        for sample in family.samples:
            if sample.exemplar is not None:
                shown.setdefault(family.name, set()).add(sample.exemplar.labels["trace_id"])
    assert {scene.rest, scene.rpc} & shown["sluice_request_duration_seconds"]
    assert {scene.rest, scene.rpc} & shown["sluice_queue_wait_seconds"]
    assert {scene.rest, scene.rpc} & shown["sluice_run_duration_seconds"]
    assert scene.text in shown["sluice_time_to_first_token_seconds"]


def test_log_lines_name_the_request_and_its_trace(scene: Scene) -> None:
    (line,) = (line for line in scene.log if line.get("request_id") == "mine-1")
    assert (line["event"], line["trace_id"]) == ("answered", scene.rest)
    assert line["span_id"] == scene.whole(scene.rest).span_id


def test_no_payload_is_in_a_span_or_in_the_log(scene: Scene) -> None:
    told = [str(span) for span in scene.collector.spans] + [str(line) for line in scene.log]
    assert not [each for each in told if PAYLOAD in each or PROMPT in each]


def test_a_collector_that_is_not_there_costs_no_request_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    (port,) = free_ports(1)
    with Server(tmp_path, f"--tracing-endpoint=http://127.0.0.1:{port}") as server:
        server.wait_until_available("multiply")
        for _ in range(5):
            assert server.post("predict", {"inputs": {"x": X}}).status_code == 200
        started_s = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started_s < 10


def test_without_its_packages_the_gateway_says_what_to_install(tmp_path: Path) -> None:
    missing = "import sys; sys.modules['opentelemetry.sdk.resources'] = None; import runpy;"
    start = "sys.argv[1:] = ['--tracing-endpoint=http://127.0.0.1:1', '--models', sys.argv[1]];"
    program = f"{missing}{start}runpy.run_module('service', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "tracing.endpoint is set" in done.stderr
    assert "requirements/tracing.txt" in done.stderr

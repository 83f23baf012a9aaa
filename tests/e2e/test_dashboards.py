"""A real Prometheus reads a real gateway: every drawing of the dashboards has numbers, and alerts fire."""

import time
from collections.abc import Iterator

import httpx
import pytest

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.e2e.conftest import Server, free_ports
from tests.support import bundles, sound_requests
from tests.support.panels import Prometheus
from tests.support.prometheus import program, reading

pytestmark = pytest.mark.slow

WITHIN_S = 20.0
MOST = 1000
MODELS = {"sluice-model": "letters", "sluice-generation": "letters"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Prometheus]]:
    program("prometheus")
    home = tmp_path_factory.mktemp("watched")
    models = home / "models"
    models.mkdir()
    sound_requests.write_models(models)
    bundles.write_scorer(models, version=2, fault="golden")
    with Server(models, "--repository-policy=latest:1") as server:
        for name in sound_requests.SERVED:
            server.wait_until_available(name)
        (port,) = free_ports(1)
        targets = {"gateway": [f"127.0.0.1:{server.ports['operations_port']}"]}
        with reading(home, port, targets, "1s"):
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            server.wait_for(lambda: answers(prometheus))
            yield server, prometheus


def answers(prometheus: Prometheus) -> bool:
    try:
        return prometheus.ready() and prometheus.ask('up{job="gateway"} == 1') != []
    except httpx.HTTPError:
        return False


def traffic(server: Server) -> None:
    """Ask every word over REST, one over gRPC, ask wrongly, and be refused."""
    for (method, path), request in sound_requests.TASKS.items():
        if method == "POST":
            assert server.http.post(path, json=request["body"]).status_code == 200
    stub = InferenceStub(server.channel)
    assert stub.Generate(pb.GenerateRequest(prompt="ab", max_tokens=3), timeout=10).text
    assert server.post("score", {"rows": "wrong"}).status_code == 400
    late = server.post("generate", {"prompt": "ab", "max_tokens": MOST}, **{"x-request-timeout-ms": "1"})
    assert late.status_code == 504


def test_every_panel_has_numbers_after_some_traffic(watched: tuple[Server, Prometheus]) -> None:
    server, prometheus = watched
    until_s = time.monotonic() + WITHIN_S
    empty = {"nobody asked yet"}
    while empty and time.monotonic() < until_s:
        traffic(server)
        empty = prometheus.empty_panels(MODELS, "10s", quiet=True)
    assert empty == set()


def test_choices_have_something_to_choose(watched: tuple[Server, Prometheus]) -> None:
    _, prometheus = watched
    assert {each["metric"]["model"] for each in prometheus.ask("sluice_slots")} >= {"letters", "words"}
    assert len(prometheus.ask("sluice_build_info")) == 1


def test_other_servers_names_are_read_too(watched: tuple[Server, Prometheus]) -> None:
    server, prometheus = watched
    traffic(server)
    for expression in (
        'nv_inference_request_success{model="boxes",version="1"} > 0',
        "sum by (le) (:tensorflow:serving:request_latency_bucket) > 0",
        ':tensorflow:serving:request_count{model_name="boxes",status="OK"} > 0',
        'vllm:generation_tokens_total{model_name="letters"} > 0',
    ):
        server.wait_for(lambda expression=expression: prometheus.ask(expression))
    ours, theirs = "sum(sluice_batch_rows_sum)", "sum(nv_inference_count)"
    assert prometheus.ask(f"{ours} - {theirs}")[0]["value"][1] == "0"

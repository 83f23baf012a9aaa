"""A real Prometheus reads a real gateway: every drawing of the dashboards has numbers, and rules are evaluated."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx
import pytest

from deploy.monitoring.dashboards import overview
from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.e2e.conftest import Server, free_ports
from tests.support import bundles, sound_requests
from tests.support.panels import Prometheus
from tests.support.prometheus import program, reading

pytestmark = pytest.mark.slow

WITHIN_S = 60.0
MOST = 1000
MODELS = {"sluice-model": "letters", "sluice-generation": "letters"}


@dataclass(frozen=True)
class Watched:
    """Gateways, and the Prometheus that reads them."""

    servers: tuple[Server, Server]
    prometheus: Prometheus

    def value(self, expression: str) -> float | None:
        """Return the only number of an answer."""
        found = self.prometheus.ask(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two gateways over the same models, one version of which is refused."""
    program("prometheus")
    home = tmp_path_factory.mktemp("watched")
    models = home / "models"
    models.mkdir()
    sound_requests.write_models(models)
    bundles.write_scorer(models, version=2, fault="golden")
    with Server(models) as first, Server(models) as second:
        servers = (first, second)
        for server in servers:
            for name in sound_requests.SERVED:
                server.wait_until_available(name)
        (port,) = free_ports(1)
        targets = [f"127.0.0.1:{server.ports['operations_port']}" for server in servers]
        with (
            reading(home, port, {"gateway": targets}, "1s"),
            closing(Prometheus(f"http://127.0.0.1:{port}")) as prometheus,
        ):
            first.wait_for(lambda: answers(prometheus))
            yield Watched(servers, prometheus)


def answers(prometheus: Prometheus) -> bool:
    try:
        return prometheus.ready() and len(prometheus.ask('up{job="gateway"} == 1')) == 2
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


def test_every_panel_has_numbers_after_some_traffic(watched: Watched) -> None:
    until_s = time.monotonic() + WITHIN_S
    empty = {"nobody asked yet"}
    while empty and time.monotonic() < until_s:
        for server in watched.servers:
            traffic(server)
        empty = watched.prometheus.empty_panels(MODELS, "10s", quiet=True)
    assert empty == set()


def test_several_gateways_are_added_up_and_what_they_have_in_common_counts_once(watched: Watched) -> None:
    first, second = watched.servers
    traffic(first)
    for name in ("sluice_batch_rows_count", "sluice_tokens_total", "sluice_request_duration_seconds_count"):
        total = first.metric(name) + second.metric(name)
        first.wait_for(lambda name=name, total=total: watched.value(f"sum({name})") == total)
    panels = {
        panel.title: panel.queries[0].expression for row in overview.DASHBOARD.rows for panel in row.panels
    }
    assert watched.value(panels["Gateways"]) == 2
    assert watched.value(panels["Models that answer"]) == len(sound_requests.SERVED)
    assert watched.value(panels["Versions refused"]) == 1


def test_a_version_that_is_refused_is_about_to_raise_an_alert(watched: Watched) -> None:
    alert = 'ALERTS{alertname="ParityRefused",model="boxes",version="2",severity="warning"}'
    (found,) = watched.servers[0].wait_for(lambda: watched.prometheus.ask(alert))
    assert found["metric"]["alertstate"] in {"pending", "firing"}


def test_choices_have_something_to_choose(watched: Watched) -> None:
    ask = watched.prometheus.ask
    assert {each["metric"]["model"] for each in ask("sluice_slots")} == {"letters", "words"}
    assert len(ask("sluice_build_info")) == 2


def test_other_servers_names_are_read_too(watched: Watched) -> None:
    traffic(watched.servers[0])
    for expression in (
        'sum(nv_inference_request_success{model="boxes",version="1"}) > 0',
        "sum(:tensorflow:serving:request_latency_bucket) > 0",
        'sum(:tensorflow:serving:request_count{model_name="boxes",status="OK"}) > 0',
        'sum(vllm:generation_tokens_total{model_name="letters"}) > 0',
    ):
        watched.servers[0].wait_for(lambda expression=expression: watched.prometheus.ask(expression))
    assert watched.value("sum(sluice_batch_rows_sum) - sum(nv_inference_count)") == 0

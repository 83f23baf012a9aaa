"""The real process, started as the Kubernetes manifests start it, and asked what their probes ask."""

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pb import oip_pb2, oip_pb2_grpc
from tests.deploy import manifests
from tests.deploy.manifests import Document, one
from tests.e2e.conftest import Server, free_ports
from tests.support import bundles

CALLERS = 8

HERE = {
    "SLUICE_HTTP__HOST": "127.0.0.1",
    "SLUICE_GRPC__HOST": "127.0.0.1",
    "SLUICE_OPERATIONS__HOST": "127.0.0.1",
}


def written(directory: str, kind: str) -> Document:
    return one((each for path, each in manifests.files() if path.parent.name == directory), kind)


def gateway_of(document: Document) -> Any:
    (container,) = document["containers"]
    return container


def test_the_gateway_of_the_deployment_answers_its_probes(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path)
    gateway = gateway_of(written("base", "Deployment")["spec"]["template"]["spec"])
    lines = (manifests.HOME / "base" / "gateway.env").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    environment = {**told, **HERE, "SLUICE_DRAIN__DELAY_S": "0"}
    with Server(tmp_path, environment=environment) as server:
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = gateway[name]["httpGet"]["path"]
            server.wait_for(lambda path=path: server.operations.get(path).status_code == 200)
        assert server.stop() == 0


def test_the_runtime_of_kserve_serves_one_model_by_the_name_of_its_service(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path, name="downloaded", version=3)
    runtime = gateway_of(written("kserve", "ServingRuntime")["spec"])
    rest, rpc = free_ports(2)
    stand_ins = {
        "{{.Name}}": "tens",
        "/mnt/models": str(tmp_path / "downloaded"),
        "8080": str(rest),
        "9000": str(rpc),
    }
    environment = {each["name"]: each["value"] for each in runtime["env"]}
    environment |= {**HERE, "SLUICE_OPERATIONS__PORT": "0", "SLUICE_DRAIN__DELAY_S": "0"}
    arguments = [here(argument, stand_ins) for argument in runtime["args"]]
    ready = here(runtime["readinessProbe"]["httpGet"]["path"], stand_ins)
    x = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    with Server(None, *arguments, environment=environment) as server:
        server.wait_for(lambda: server.http.get(ready).status_code == 200)
        answer = server.http.post("/v2/models/tens/infer", json={"inputs": [x]}).json()
        assert (answer["model_name"], answer["model_version"]) == ("tens", "3")
        health = health_pb2_grpc.HealthStub(server.channel)
        assert health.Check(health_pb2.HealthCheckRequest(service="tens"), timeout=10).status == 1
        liveness = runtime["livenessProbe"]["httpGet"]["path"]
        assert server.operations.get(liveness).status_code == 200
        assert server.stop() == 0


def here(text: str, stand_ins: dict[str, str]) -> str:
    """Return what the cluster would have filled in, with what stands in for it."""
    for told, value in stand_ins.items():
        text = text.replace(told, value)
    return text


@pytest.mark.slow
def test_a_grpc_client_that_balances_as_the_readme_says_loses_nothing_when_a_gateway_goes(
    tmp_path: Path,
) -> None:
    bundles.write_multiply(tmp_path)
    (config,) = re.findall(r"```json\n(.+?)\n```", (manifests.HOME / "README.md").read_text())
    with Server(tmp_path, "--drain-delay-s=1") as first, Server(tmp_path) as second:
        for server in (first, second):
            server.wait_for(lambda server=server: server.operations.get("/readyz").status_code == 200)
        both = ",".join(f"127.0.0.1:{server.ports['grpc_port']}" for server in (first, second))
        with grpc.insecure_channel(f"ipv4:{both}", options=[("grpc.service_config", config)]) as channel:
            ask = oip_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
            stopped = threading.Event()
            with ThreadPoolExecutor(CALLERS) as callers:
                asked = [callers.submit(outcomes, ask, stopped) for _ in range(CALLERS)]
                try:
                    for server in (first, second):
                        server.wait_for(
                            lambda server=server: server.metric("sluice_request_duration_seconds_count")
                        )
                    code = first.stop()
                finally:
                    stopped.set()
            seen = sum((each.result() for each in asked), Counter[str]())
    assert code == 0
    assert seen.keys() == {"OK"}, seen


def outcomes(ask: Any, stopped: threading.Event) -> Counter[str]:
    """Ask, a few hundred times a second, until `stopped` and once more; returns how often each status came."""
    seen: Counter[str] = Counter()
    x = {"name": "x", "shape": [1, 4], "datatype": "FP32"}
    asked = oip_pb2.ModelInferRequest(model_name="multiply", inputs=[x], raw_input_contents=[bytes(16)])
    while True:
        last = stopped.wait(0.002)
        try:
            ask(asked, timeout=10, wait_for_ready=False)
            seen["OK"] += 1
        except grpc.RpcError as error:
            seen[error.code().name] += 1
        if last:
            return seen

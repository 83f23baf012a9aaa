"""The life of the process: who leaves, what appears while it runs, what is broken, and how it goes down."""

import json
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.e2e.conftest import ENDLESS_TOKENS, Server
from tests.support import bundles

ENDLESS = {"model": "endless", "prompt": "a", "max_tokens": ENDLESS_TOKENS, "stream": True}
ASK = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
SLOTS = "sluice_slots_in_use"


def test_a_reader_who_leaves_frees_the_slot(untouched: Server) -> None:
    with untouched.http.stream("POST", "/v1/generate", json=ENDLESS) as response:
        lines = response.iter_lines()  # kept: the client hangs up when nobody holds it
        assert next(lines).startswith("data: ")
        assert untouched.metric(SLOTS) == 1
    untouched.wait_for(lambda: untouched.metric(SLOTS) == 0)
    call = InferenceStub(untouched.channel).GenerateStream(
        pb.GenerateRequest(model=pb.ModelRef(name="endless"), prompt="a", max_tokens=ENDLESS_TOKENS)
    )
    next(call)
    assert untouched.metric(SLOTS) == 1
    call.cancel()
    untouched.wait_for(lambda: untouched.metric(SLOTS) == 0)


def test_one_who_waits_for_the_whole_text_and_leaves_frees_the_slot(untouched: Server) -> None:
    with pytest.raises(Exception, match="timed out"):
        untouched.http.post("/v1/generate", json={**ENDLESS, "stream": False}, timeout=0.2)
    untouched.wait_for(lambda: untouched.metric(SLOTS) == 0)


def test_a_new_version_appears_and_a_bad_one_never_replaces_it(tmp_path: Path) -> None:
    bundles.write_multiply(tmp_path, factor=2)
    with Server(tmp_path) as server:
        server.wait_until_available("multiply", 1)
        assert server.post("predict", ASK).json()["outputs"] == {"y": [[2, 4, 6, 8]]}

        bundles.write_multiply(tmp_path, version=2, factor=3)
        server.wait_until_available("multiply", 2)
        answer = server.post("predict", ASK).json()
        assert answer["model"]["version"] == 2
        assert answer["outputs"] == {"y": [[3, 6, 9, 12]]}

        bundles.write_multiply(tmp_path, version=3, factor=4, fault="checksum")
        failed = server.wait_for(lambda: server.versions("multiply").get(3, {}).get("state") == "failed")
        assert failed
        assert "checksum" in server.versions("multiply")[3]["reason"]
        assert server.versions("multiply")[2]["state"] == "available"
        assert server.post("predict", ASK).json() == answer
        assert server.operations.get("/readyz").status_code == 200


def test_an_empty_directory_is_served_and_models_appear(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.wait_for(lambda: server.operations.get("/readyz").status_code == 200)
        assert server.operations.get("/healthz").status_code == 200
        assert server.post("predict", ASK).status_code == 404
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(
            health_pb2.HealthCheckRequest(service="multiply")
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        bundles.write_multiply(tmp_path)
        assert health_pb2.HealthCheckResponse.SERVING in (status.status for status in watch)
        watch.cancel()
        assert server.post("predict", ASK).status_code == 200


def test_sigterm_lets_requests_finish_and_ends_with_0(tmp_path: Path) -> None:
    bundles.write_generator(tmp_path, max_new_tokens=2000)
    with Server(tmp_path) as server:
        server.wait_until_available("letters")
        body = {"prompt": "a", "max_tokens": 2000, "temperature": 0, "stream": True}
        health = health_pb2_grpc.HealthStub(server.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        with server.http.stream("POST", "/v1/generate", json=body) as response:
            lines = (line.removeprefix("data: ") for line in response.iter_lines() if line)
            text = json.loads(next(lines))["text"]
            server.process.terminate()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            rest = list(lines)
        assert rest.pop() == "[DONE]"
        assert text + "".join(json.loads(line)["text"] for line in rest) == bundles.generated("a", 2000)
        assert server.process.wait(timeout=20) == 0
        with pytest.raises(grpc.RpcError):
            next(watch)

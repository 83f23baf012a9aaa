"""What a newcomer does: `make serve`'s command on an empty repository, then every call of the README as it stands."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = ("tumour-autoencoder", "digits-cnn", "prose-lstm", "english-french")
LIVE_WITHIN_S = 420.0

pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


CURLS = [block for block in blocks("bash") if block.startswith("curl")]


@dataclass(frozen=True)
class Newcomer:
    """A started gateway, whose ports stand in for the README's."""

    home: Path
    ports: dict[str, int]

    def here(self, text: str) -> str:
        for told, port in self.ports.items():
            text = text.replace(f"localhost:{told}", f"127.0.0.1:{port}")
        return text

    def run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until_live(model: str, port: int) -> None:
    """Watch a model's health until it serves."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=model)
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=LIVE_WITHIN_S, wait_for_ready=True)
        assert any(change.status == health_pb2.HealthCheckResponse.SERVING for change in watch)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Start from nothing, with the smoke profile: the same path as `make serve`, with less training."""
    home = tmp_path_factory.mktemp("newcomer")
    rest, rpc, operations = free_ports(3)
    command = [sys.executable, "-m", "deploy.local", "--profile", "smoke", "--runs", str(home / "runs")]
    command += ["--models", str(home / "models"), "--http-port", str(rest), "--grpc-port", str(rpc)]
    command += ["--operations-port", str(operations)]
    with (home / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        try:
            for model in MODELS:
                wait_until_live(model, rpc)
            yield Newcomer(home, {"8000": rest, "8001": rpc, "8002": operations})
        except grpc.RpcError as error:
            pytest.fail(f"{error}\n{(home / 'output').read_text()}")
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_there_is_a_call_for_every_word() -> None:
    words = {re.search(r"/v1/(\w+)", block)[1] for block in CURLS}  # type: ignore[index]
    assert words == {"classify", "generate", "translate", "score", "predict"}


@pytest.mark.parametrize("command", CURLS, ids=lambda block: re.search(r"/v1/(\w+)", block)[1])  # type: ignore[index]
def test_every_curl_line_answers(newcomer: Newcomer, command: str) -> None:
    answer = newcomer.run(["bash", "-c", newcomer.here(command)])
    if "stream" in command:
        events = [line.removeprefix("data: ") for line in answer.splitlines() if line]
        assert events[-1] == "[DONE]"
        assert json.loads(events[-2])["finish_reason"] == "length"
    else:
        assert json.loads(answer)["model"]["version"] == 1


def test_the_python_block_answers_every_word(newcomer: Newcomer) -> None:
    (block,) = blocks("python")
    printed = newcomer.run([sys.executable, "-c", newcomer.here(block)])
    assert len(printed.splitlines()) >= 6


def test_the_gateway_reports_every_model_in_its_metrics(newcomer: Newcomer) -> None:
    page = httpx.get(newcomer.here("http://localhost:8002/metrics")).text
    for model in MODELS:
        assert f'model="{model}"' in page


def test_a_second_start_finds_the_models_and_trains_nothing(newcomer: Newcomer) -> None:
    again = [sys.executable, "-m", "deploy.local", "--only-train", "--models", str(newcomer.home / "models")]
    assert newcomer.run(again) == ""
    versions = newcomer.home.glob("models/*/[0-9]*")
    assert sorted(path.name for path in versions) == ["1"] * len(MODELS)

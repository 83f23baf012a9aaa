"""The real process on free ports: `python -m service` over tiny bundles, and `make serve`'s over models trained once."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support import bundles, sound_requests
from tests.support.live_server import unharmed

ROOT = Path(__file__).parents[2]
MODELS = ("tumour-autoencoder", "digits-cnn", "prose-lstm", "chat-gru", "english-french")
START_S = 30.0
LIVE_WITHIN_S = 420.0
ENDLESS_TOKENS = 10_000_000
ANSWER_S = 10.0
"""How long an answer to a request that was made up may take."""


class Server:
    """A gateway in a process of its own; without `models` it has no flags but those that are given."""

    def __init__(
        self, models: Path | str | None, *flags: str, environment: Mapping[str, str] | None = None
    ) -> None:
        if models is not None:
            ports = ("--http-port=0", "--grpc-port=0", "--operations-port=0")
            settings = ("--repository-poll-interval-s=0.05", "--log-format=json")
            flags = ("--models", str(models), *ports, *settings, *flags)
        foreign = ("SLUICE_", "OTEL_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, **(environment or {})},
        )
        self._log: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self._log.extend(iter(self.process.stderr.readline, ""))

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log()
        self.ports: dict[str, int] = json.loads(line)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.ports['http_port']}", timeout=20)
        self.operations = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['operations_port']}", timeout=20
        )
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc_port']}")
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.operations.close()
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()

    def log(self) -> str:
        """Return what the process has written so far."""
        return "".join(self._log)

    def post(self, word: str, body: object, **headers: str) -> httpx.Response:
        """Ask for `word` with a JSON body, or with bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.http.post(
            f"/v1/{word}", content=content, headers={"content-type": "application/json", **headers}
        )

    def versions(self, name: str) -> dict[int, dict[str, Any]]:
        """Return what `/readyz` says of each version of a model."""
        models = self.operations.get("/readyz").json()["models"]
        return {each["version"]: each for each in models if each["name"] == name}

    def wait_for(self, what: Any) -> Any:
        """Return the first true answer of `what`; fails if there is none in time."""
        pause = threading.Event()
        for _ in range(int(START_S / 0.02)):
            found = what()
            if found:
                return found
            assert self.process.poll() is None, self.log()
            pause.wait(0.02)
        raise AssertionError(f"it did not happen within {START_S} s\n{self.log()}")

    def wait_until_available(self, name: str, version: int = 1) -> None:
        """Return when a version answers."""
        self.wait_for(lambda: self.versions(name).get(version, {}).get("state") == "available")

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        lines = self.operations.get("/metrics").text.splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " "))
        )

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for all tests that leave it as it was: one model for each word, and `endless`."""
    models = tmp_path_factory.mktemp("models")
    bundles.write_classifier(models)
    bundles.write_generator(models)
    bundles.write_translator(models)
    bundles.write_scorer(models)
    bundles.write_multiply(models)
    bundles.write_generator(models, name="endless", max_new_tokens=ENDLESS_TOKENS)
    with Server(models, "--engine-slots=2", "--limits-request-timeout-s=20") as server:
        for name in ("shapes", "letters", "words", "boxes", "multiply", "endless"):
            server.wait_until_available(name)
        yield server


@pytest.fixture(scope="session")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for whatever is made up: a model for each word, so that a request need not name one."""
    models = tmp_path_factory.mktemp("fuzzed")
    sound_requests.write_models(models)
    with Server(models, "--engine-slots=4", f"--limits-request-timeout-s={ANSWER_S / 2}") as server:
        for name in sound_requests.SERVED:
            server.wait_until_available(name)
        with unharmed(server.process.pid, lambda: server.http.get("/v2").json()):
            yield server


@pytest.fixture
def untouched(server: Server) -> Iterator[Server]:
    """The shared server, which must be the same process and answer as before when the test is over."""
    body = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
    before = server.post("predict", body).json()
    yield server
    assert server.process.poll() is None, server.log()
    assert server.post("predict", body).json() == before


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


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Start from nothing, with the smoke profile: the same path as `make serve`, with less training, made once."""
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

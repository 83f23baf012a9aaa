"""The stack of deploy/compose.yaml on a real engine, under a project name and ports of its own."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx

from tests.e2e.conftest import free_ports

ROOT = Path(__file__).parents[2]
PORTS = ("REST", "GRPC", "OPERATIONS", "PROMETHEUS")
GATEWAYS = ("gateway-1", "gateway-2", "gateway-3")
T = TypeVar("T")


@dataclass
class Stack:
    """One compose project; `switch` chooses the environment file, as a user does."""

    project: str
    ports: dict[str, int] = field(default_factory=lambda: dict(zip(PORTS, free_ports(4), strict=True)))
    env_file: str = ".env"

    @property
    def environment(self) -> dict[str, str]:
        """What the shell of somebody who runs this stack has."""
        chosen = {f"STACK_{name}_PORT": str(port) for name, port in self.ports.items()}
        return {**os.environ, **chosen, "STACK_TRAIN": "smoke", "COMPOSE_PROJECT_NAME": self.project}

    def compose(self, *arguments: str, limit_s: float = 300) -> str:
        """Run `docker compose`; fails with what it said unless it ends well."""
        command = ["docker", "compose", "--env-file", self.env_file, *arguments]
        return run(command, cwd=ROOT / "deploy", env=self.environment, limit_s=limit_s)

    def container(self, service: str) -> str:
        """Return the id of a service's only container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        found: dict[str, Any] = json.loads(run(["docker", "inspect", self.container(service)]))[0]
        return found

    def health(self, service: str) -> str:
        """Return `healthy`, `unhealthy`, `starting`, or `gone` if the container does not run."""
        state = self.inspect(service)["State"]
        return state["Health"]["Status"] if state["Running"] else "gone"

    def inside(self, service: str, *command: str) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *command)

    def url(self, port: str, path: str) -> str:
        """Return an address on a published port."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def post(self, word: str, body: object) -> dict[str, Any]:
        """Ask for `word` over REST."""
        answer = httpx.post(self.url("REST", f"/v1/{word}"), json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def channel(self) -> grpc.Channel:
        """Return a channel to the gRPC port."""
        return grpc.insecure_channel(f"127.0.0.1:{self.ports['GRPC']}")

    def query(self, expression: str) -> dict[str, float]:
        """Return Prometheus' answer: values by `instance`."""
        answer = httpx.get(self.url("PROMETHEUS", "/api/v1/query"), params={"query": expression}, timeout=10)
        assert answer.status_code == 200, answer.text
        return {
            each["metric"].get("instance", ""): float(each["value"][1])
            for each in answer.json()["data"]["result"]
        }

    def models(self) -> set[str]:
        """Return the models that answer."""
        return {each["id"] for each in httpx.get(self.url("REST", "/v1/models"), timeout=10).json()["data"]}


def run(command: list[str], limit_s: float = 120, **options: Any) -> str:
    """Return a command's output; fails with all that it said unless it ends well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wait_for(what: Callable[[], T], within_s: float, *, pause_s: float = 0.25) -> T:
    """Return the first true answer of `what`; an engine that does not answer yet counts as no."""
    until_s = time.monotonic() + within_s
    failure: object = "it answered no"
    while time.monotonic() < until_s:
        try:
            if found := what():
                return found
        except (httpx.HTTPError, grpc.RpcError, AssertionError) as error:
            failure = error
        time.sleep(pause_s)
    raise AssertionError(f"it did not happen within {within_s:.0f} s: {failure}")

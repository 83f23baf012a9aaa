"""A real Ray cluster of two nodes, and the plain gateway beside it over the same models."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import httpx
import pytest

from tests.e2e.conftest import ROOT, Server, free_ports
from tests.support import sound_requests

PYTHON = ROOT / ".venv-ray/bin/python"
SETTLED_WITHIN_S = 90.0
FOOTPRINT = {"num_cpus": 0.1, "metrics_interval_s": 0.5, "look_back_period_s": 1.0}
TWO = {"min_replicas": 2, "max_replicas": 2, "max_replicas_per_node": 1}
"""One on each node, so that either node can go."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cluster alone unless it is asked for: it takes a minute, and an environment of its own."""
    if "ray" not in config.option.markexpr:
        asked = [item for item in items if item.get_closest_marker("ray") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in asked])
        items[:] = asked


class RayCluster:
    """The application on two nodes, in processes below one that ends them all."""

    def __init__(self, models: Path, temporary: Path) -> None:
        self.rest_port, self.rpc_port = free_ports(2)
        given = {"http_port": self.rest_port, "grpc_port": self.rpc_port, "args": _arguments(models)}
        self._log = (temporary / "log").open("w+")
        self._process = subprocess.Popen(
            [PYTHON, "-m", "tests.ray.cluster", json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "RAY_TMPDIR": str(temporary),
                "RAY_USAGE_STATS_ENABLED": "0",
            },
        )

    def __enter__(self) -> Self:
        assert self._answer() == "running"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.rest_port}", timeout=20)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.rpc_port}")
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.channel.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._log.close()

    def tell(self, order: str) -> dict[str, Any]:
        """Give an order (`status`, `kill`, `add`) and return the cluster's state after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._answer()
        return answer

    def wait_for(self, what: Any) -> dict[str, Any]:
        """Return the first state of which `what` is true; fails if there is none in time."""
        pause = threading.Event()
        state: dict[str, Any] = {}
        for _ in range(int(SETTLED_WITHIN_S / 0.25)):
            state = self.tell("status")
            if what(state):
                return state
            pause.wait(0.25)
        raise AssertionError(f"it did not happen within {SETTLED_WITHIN_S} s: {state}")

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise AssertionError(self._log.read()[-4000:])
        return json.loads(line)


def _arguments(models: Path) -> dict[str, Any]:
    queued = {
        "max_replicas": 3,
        "target_ongoing_requests": 2,
        "upscale_delay_s": 0.5,
        "downscale_delay_s": 600,
    }
    return {
        "settings": {"models": str(models), "repository": {"poll_interval_s": 0.2}},
        "ingress": {**FOOTPRINT, **TWO, "target_ongoing_requests": 256, "max_ongoing_requests": 256},
        "scaling": FOOTPRINT,
        "models": {"multiply": {**FOOTPRINT, **TWO}, "letters": {**FOOTPRINT, **queued}},
    }


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of both: one for each word, one that embeds."""
    directory = tmp_path_factory.mktemp("models")
    sound_requests.write_models(directory)
    return directory


@pytest.fixture(scope="session")
def cluster(models: Path) -> Iterator[RayCluster]:
    """The application on a cluster of two nodes."""
    if not PYTHON.exists():
        pytest.skip("there is no .venv-ray: `make .venv-ray/ray` makes it where Ray can be installed")
    temporary = Path(tempfile.mkdtemp(prefix="ray"))  # sockets lie below it: a longer path would be too long
    try:
        with RayCluster(models, temporary) as cluster:
            yield cluster
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@pytest.fixture(scope="session")
def plain(models: Path) -> Iterator[Server]:
    """A gateway of its own over the same models."""
    with Server(models) as server:
        for name in sound_requests.SERVED:
            server.wait_until_available(name)
        yield server

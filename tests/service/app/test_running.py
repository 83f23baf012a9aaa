"""The whole gateway: it starts, answers, and goes down without losing an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.app.listening import StartError
from service.app.running import House
from service.config import Drain, Grpc, Http, Operations, Repository, Settings
from service.domain import ModelId, PredictAnswer, PredictRequest
from service.errors import Unavailable
from service.observability.metrics import Metrics
from service.repository.live import LiveVersion, LoadedVersion
from tests.service.repository.house import manifest
from tests.support import bundles

ASK = {"model": "slow", "inputs": {"x": [[1, 2]]}}


class Slow:
    """A task that answers when its gate opens, or is told that it is over."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.closed = False

    async def run(self, request: PredictRequest, deadline_at_s: float) -> PredictAnswer:
        """Wait, then answer."""
        self.entered.set()
        await self.gate.wait()
        if self.closed:
            raise Unavailable("the model version has been unloaded", retry_after_s=1.0)
        return PredictAnswer(ModelId("slow", 1), "serving_default", {"y": np.zeros((1, 2), np.float32)})

    def close(self) -> None:
        """Answer everyone who waits."""
        self.closed = True
        self.gate.set()

    def live(self) -> LiveVersion:
        """Return it as a live version."""
        model = ModelId("slow", 1)
        return LiveVersion(
            LoadedVersion(model, manifest(model), self, self, Metrics().version(model), self.close)
        )


class Running:
    """A gateway in this process, on free ports."""

    def __init__(self, models: Path, drain: Drain) -> None:
        self.house = House(
            Settings(
                models=models,
                repository=Repository(poll_interval_s=0.02),
                http=Http(port=0),
                grpc=Grpc(port=0),
                operations=Operations(port=0),
                drain=drain,
            )
        )
        self.stopping = asyncio.Event()
        self.client = httpx.AsyncClient(timeout=20.0)
        self.ended = asyncio.create_task(self.house.serve(self.stopping))

    def url(self, port: str, path: str) -> str:
        """Return where a path is."""
        return f"http://127.0.0.1:{self.house.ports[port]}{path}"

    async def ready(self) -> None:
        """Return as soon as the first look is dealt with."""
        changes = self.house._gateway.changes
        while not self.house._gateway.ready():
            await asyncio.wait_for(changes.wait(changes.revision), 10)

    async def post(self, path: str, body: Any) -> httpx.Response:
        """Ask over REST."""
        return await self.client.post(self.url("http_port", path), json=body)

    async def readiness(self) -> httpx.Response:
        """Ask the operations port."""
        return await self.client.get(self.url("operations_port", "/readyz"))


@pytest.fixture
async def running(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    made = Running(tmp_path / "models", getattr(request, "param", Drain(grace_s=10.0)))
    await made.ready()
    yield made
    made.stopping.set()
    await made.ended
    await made.client.aclose()


async def test_it_is_ready_without_models_and_serves_one_that_appears(
    running: Running, tmp_path: Path
) -> None:
    assert (await running.readiness()).json() == {"ready": True, "draining": False, "models": []}
    changes = running.house._gateway.changes
    bundles.write_multiply(tmp_path / "models")
    while not running.house._gateway.models():
        await asyncio.wait_for(changes.wait(changes.revision), 10)
    answer = await running.post("/v1/predict", {"inputs": {"x": [[1, 2, 3, 4]]}})
    assert (answer.status_code, answer.json()["outputs"]) == (200, {"y": [[2, 4, 6, 8]]})
    metrics = (await running.client.get(running.url("operations_port", "/metrics"))).text
    assert 'sluice_model_state{model="multiply",state="available",version="1"} 1.0' in metrics
    assert 'outcome="ok",protocol="rest"' in metrics


async def test_the_ports_are_announced_as_one_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Running(tmp_path, Drain())
    await made.ready()
    made.stopping.set()
    await made.ended
    await made.client.aclose()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert json.loads(line) == made.house.ports
    assert set(made.house.ports) == {"http_port", "grpc_port", "operations_port"}


async def test_a_request_inside_is_answered_while_the_gateway_goes_down(running: Running) -> None:
    slow = Slow()
    running.house._registry.publish(slow.live())
    inside = asyncio.create_task(running.post("/v1/predict", ASK))
    await asyncio.wait_for(slow.entered.wait(), 10)
    changes = running.house._gateway.changes
    revision = changes.revision
    running.stopping.set()
    await asyncio.wait_for(changes.wait(revision), 10)
    readiness = await running.readiness()
    assert (readiness.status_code, readiness.json()["draining"]) == (503, True)
    slow.gate.set()
    assert (await inside).status_code == 200
    assert await asyncio.wait_for(running.ended, 10) == 0


@pytest.mark.parametrize("running", [Drain(grace_s=0.05)], indirect=True)
async def test_who_still_waits_when_the_grace_is_over_is_told_so(running: Running) -> None:
    slow = Slow()
    running.house._registry.publish(slow.live())
    inside = asyncio.create_task(running.post("/v1/predict", ASK))
    await asyncio.wait_for(slow.entered.wait(), 10)
    running.stopping.set()
    answer = await inside
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert await asyncio.wait_for(running.ended, 10) == 0


@pytest.mark.parametrize("running", [Drain(delay_s=0.3)], indirect=True)
async def test_before_listeners_close_load_balancers_have_time_to_notice(running: Running) -> None:
    slow = Slow()
    slow.gate.set()
    running.house._registry.publish(slow.live())
    changes = running.house._gateway.changes
    revision = changes.revision
    running.stopping.set()
    await asyncio.wait_for(changes.wait(revision), 10)
    assert (await running.readiness()).status_code == 503
    assert (await running.post("/v1/predict", ASK)).status_code == 200


async def test_a_taken_grpc_port_stops_the_start_up(running: Running, tmp_path: Path) -> None:
    taken = running.house.ports["grpc_port"]
    settings = Settings(
        models=tmp_path, http=Http(port=0), grpc=Grpc(port=taken), operations=Operations(port=0)
    )
    with pytest.raises(StartError, match=f"grpc.port: cannot listen on 127.0.0.1:{taken}"):
        House(settings)


async def test_a_part_that_must_not_end_takes_the_gateway_down_with_an_exit_code(tmp_path: Path) -> None:
    made = Running(tmp_path, Drain(grace_s=0.1))
    await made.ready()
    made.house._http.stop()
    assert await asyncio.wait_for(made.ended, 10) == 1
    await made.client.aclose()

"""Compare the gateway with a bare `session.run` loop on the same graph, over every wire, interleaved in one run.

`make bench`. Prints, for each wire: requests a second, latency, the server's CPU time per request, rows per batch,
and ratios to the bare loop of one row a run; the task API over REST for 1, 16 and 64 connections, the others for 16.
If there is a model that generates, also the same for tokens, against its bare step. Answers are compared with
`session.run` first. The server gets one processor and the load another, so that neither disturbs the other's figures.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import httpx
import numpy as np
import onnxruntime
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loadtests import generators
from loadtests.calls import keep_calling
from loadtests.connection import Load, keep_busy, post
from loadtests.gateway import RunningGateway, running_gateway
from loadtests.network import FEATURES, write_network
from loadtests.tables import Row, Slice, print_table
from loadtests.wires import Wire, wires

CONCURRENCY = (1, 16, 64)
USUAL = 16
MODEL = "network"
WARM_UP_S = 0.5
LIVE_WITHIN_S = 30.0
PAYLOADS = 64

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured: a load that runs for some seconds, whose answers have so many tokens each."""

    name: str
    connections: int
    load: Callable[[float], Coroutine[Any, Any, Load]]
    tokens: int = 1


Bare = Callable[[], None]


@cli.command()
def main(
    *,
    seconds: Annotated[float, typer.Option(help="Seconds of each slice.")] = 1.5,
    repeats: Annotated[int, typer.Option(help="How often the slices are interleaved.")] = 3,
    models: Annotated[Path, typer.Option(help="Where a model that generates may be.")] = Path("models"),
) -> None:
    """Measure the gateway's overhead over ONNX Runtime itself."""
    cores = sorted(os.sched_getaffinity(0))
    generator = generators.find(models)
    with tempfile.TemporaryDirectory() as directory:
        graph = Path(directory) / MODEL / "1" / "model.onnx"
        write_network(graph)
        if generator is not None:
            place = Path(directory) / generator.name / generator.directory.name
            shutil.copytree(generator.directory, place)
        session = _open(graph)
        rows = np.random.default_rng(1).normal(size=(PAYLOADS, 1, FEATURES)).astype(np.float32)
        with running_gateway(Path(directory), cpus=frozenset(cores[:1])) as gateway:
            os.sched_setaffinity(0, set(cores[1:] or cores))
            targets = _row_targets(gateway, session, rows)
            found = _measure(gateway, lambda: _run_all(session, rows), len(rows), targets, (seconds, repeats))
            title = "64→128→10 network, one row a request"
            _print(title, "bare session.run, one row", found, targets, (repeats, len(cores)))
            if generator is not None:
                targets = _token_targets(gateway, generator)
                step = _open(generator.step)
                feeds = generators.feeds(step)
                bare = _measure(gateway, lambda: step.run(None, feeds), 1, targets, (seconds, repeats))
                title = f"{generator.name}, {generators.TOKENS} tokens a request; rates and CPU are by token"
                _print(title, "bare session.run, one step", bare, targets, (repeats, len(cores)))


def _open(graph: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _run_all(session: Any, rows: Any) -> None:
    for row in rows:
        session.run(None, {"features": row})


def _row_targets(gateway: RunningGateway, session: Any, rows: Any) -> list[Target]:
    """Return a load for each wire whose answers have been compared with the graph's own."""
    _wait_until_live(gateway, MODEL)
    first, *others = wires(MODEL)
    targets = [_row_target(gateway, first, rows, count) for count in CONCURRENCY]
    targets += [_row_target(gateway, wire, rows, USUAL) for wire in others]
    for wire in (first, *others):
        for row in rows[:4]:
            expected = session.run(None, {"features": row})[0]
            answer = np.reshape(wire.decode(_answer(gateway, wire, wire.encode(row))), expected.shape)
            np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6, err_msg=wire.name)
    return targets


def _row_target(gateway: RunningGateway, wire: Wire, rows: Any, connections: int) -> Target:
    bodies = [wire.encode(row) for row in rows]
    if wire.is_grpc:
        return Target(
            wire.name,
            connections,
            lambda seconds: keep_calling(gateway.grpc_port, wire.address, bodies, connections, seconds),
        )
    requests = [post(wire.address, body, wire.headers(body)) for body in bodies]
    return Target(
        wire.name, connections, lambda seconds: keep_busy(gateway.http_port, requests, connections, seconds)
    )


def _answer(gateway: RunningGateway, wire: Wire, body: bytes) -> bytes:
    if wire.is_grpc:
        with grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
            call: Any = channel.unary_unary(wire.address)
            return bytes(call(body))
    headers = {"content-type": "application/json", **wire.headers(body)}
    url = f"http://127.0.0.1:{gateway.http_port}{wire.address}"
    return httpx.post(url, content=body, headers=headers).raise_for_status().content


def _token_targets(gateway: RunningGateway, generator: generators.Generator) -> list[Target]:
    _wait_until_live(gateway, generator.name)

    def target(name: str, path: str, body: bytes) -> Target:
        requests = [post(path, body)]
        return Target(
            name,
            USUAL,
            lambda seconds: keep_busy(gateway.http_port, requests, USUAL, seconds),
            generators.TOKENS,
        )

    return [target(name, path, body) for name, (path, body) in generator.requests().items()]


def _wait_until_live(gateway: RunningGateway, model: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
        asked = health_pb2.HealthCheckRequest(service=model)
        watch = health_pb2_grpc.HealthStub(channel).Watch(asked, timeout=LIVE_WITHIN_S, wait_for_ready=True)
        next(each for each in watch if each.status == health_pb2.HealthCheckResponse.SERVING)


def _measure(
    gateway: RunningGateway, bare: Bare, runs: int, targets: list[Target], extent: tuple[float, int]
) -> list[list[Slice]]:
    """Return the slices of `bare`, which makes so many `runs` a call, and then those of each target."""
    seconds, repeats = extent
    for target in targets:
        asyncio.run(target.load(WARM_UP_S))
    found: list[list[Slice]] = [[] for _ in range(1 + len(targets))]
    for _ in range(repeats):
        found[0].append(_bare(bare, runs, seconds))
        for slices, target in zip(found[1:], targets, strict=True):
            slices.append(_serve(gateway, target, seconds))
    return found


def _bare(bare: Bare, runs: int, seconds: float) -> Slice:
    calls = 0
    cpu_s = time.process_time()
    started_s = time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        bare()
        calls += 1
    made = calls * runs
    return Slice(made / (time.perf_counter() - started_s), 1e6 * (time.process_time() - cpu_s) / made)


def _serve(gateway: RunningGateway, target: Target, seconds: float) -> Slice:
    names = ("process_cpu_seconds_total", "sluice_batch_rows_sum", "sluice_batch_rows_count")
    before = [gateway.total(name) for name in names]
    load = asyncio.run(target.load(seconds))
    cpu_s, rows, batches = (gateway.total(name) - was for name, was in zip(names, before, strict=True))
    return Slice(
        load.per_second * target.tokens,
        1e6 * cpu_s / load.requests / target.tokens,
        load.quantile_ms(0.5),
        load.quantile_ms(0.99),
        rows / batches,
    )


def _print(
    title: str, bare: str, found: list[list[Slice]], targets: list[Target], of: tuple[int, int]
) -> None:
    repeats, cores = of
    told = [(bare, ""), *((target.name, str(target.connections)) for target in targets)]
    rows = [Row(name, connections, slices) for (name, connections), slices in zip(told, found, strict=True)]
    print_table(f"{title}; medians of {repeats} interleaved slices, {cores} cores", rows)


if __name__ == "__main__":
    cli()

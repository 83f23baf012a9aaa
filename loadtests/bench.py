"""Compare the gateway with a bare `session.run` loop on the same graph, interleaved in one run.

`make bench`. Prints, for 1, 16 and 64 connections: requests a second, latency, the server's CPU time per request,
rows per batch, and ratios to the bare loop of one row a run. Answers are compared with `session.run` first.
The server gets one processor and the load another, so that neither disturbs the other's figures.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import grpc
import httpx
import numpy as np
import onnxruntime
import orjson
import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.table import Table

from loadtests.connection import keep_busy, post
from loadtests.gateway import RunningGateway, running_gateway
from loadtests.network import FEATURES, write_network

CONCURRENCY = (1, 16, 64)
MODEL = "network"
WARM_UP_S = 1.0
LIVE_WITHIN_S = 30.0
PAYLOADS = 64

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of one repeat; CPU time is the measured process's own."""

    per_second: float
    cpu_us: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    batch_rows: float = 1.0


@cli.command()
def main(
    *,
    seconds: Annotated[float, typer.Option(help="Seconds of each slice.")] = 3.0,
    repeats: Annotated[int, typer.Option(help="How often the slices are interleaved.")] = 3,
) -> None:
    """Measure the gateway's overhead over ONNX Runtime itself."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as directory:
        graph = Path(directory) / MODEL / "1" / "model.onnx"
        write_network(graph)
        session = _open(graph)
        rows = np.random.default_rng(1).normal(size=(PAYLOADS, 1, FEATURES)).astype(np.float32)
        with running_gateway(Path(directory), cpus=frozenset(cores[:1])) as gateway:
            os.sched_setaffinity(0, set(cores[1:] or cores))
            _verify(gateway, session, rows)
            found = _measure(gateway, session, rows, seconds, repeats)
    _print(found, repeats, len(cores))


def _open(graph: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _body(row: Any) -> bytes:
    return orjson.dumps({"model": MODEL, "inputs": {"features": row.tolist()}})


def _verify(gateway: RunningGateway, session: Any, rows: Any) -> None:
    """Wait until the model is live, and compare every payload's answer with the graph's own."""
    _wait_until_live(gateway)
    url = f"http://127.0.0.1:{gateway.http_port}/v1/predict"
    headers = {"content-type": "application/json"}
    for row in rows:
        answer = httpx.post(url, content=_body(row), headers=headers).raise_for_status().json()
        expected = session.run(None, {"features": row})[0]
        np.testing.assert_allclose(answer["outputs"]["logits"], expected, rtol=1e-5, atol=1e-6)


def _wait_until_live(gateway: RunningGateway) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
        asked = health_pb2.HealthCheckRequest(service=MODEL)
        watch = health_pb2_grpc.HealthStub(channel).Watch(asked, timeout=LIVE_WITHIN_S, wait_for_ready=True)
        next(each for each in watch if each.status == health_pb2.HealthCheckResponse.SERVING)


def _measure(
    gateway: RunningGateway, session: Any, rows: Any, seconds: float, repeats: int
) -> dict[int, list[Slice]]:
    """Return the slices by concurrency; 0 stands for the bare loop."""
    requests = [post("/v1/predict", _body(row)) for row in rows]
    asyncio.run(keep_busy(gateway.http_port, requests, max(CONCURRENCY), WARM_UP_S))
    found: dict[int, list[Slice]] = {concurrency: [] for concurrency in (0, *CONCURRENCY)}
    for _ in range(repeats):
        found[0].append(_bare(session, rows, seconds))
        for concurrency in CONCURRENCY:
            found[concurrency].append(_serve(gateway, requests, concurrency, seconds))
    return found


def _bare(session: Any, rows: Any, seconds: float) -> Slice:
    runs = 0
    cpu_s = time.process_time()
    started_s = time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        for row in rows:
            session.run(None, {"features": row})
        runs += len(rows)
    return Slice(runs / (time.perf_counter() - started_s), 1e6 * (time.process_time() - cpu_s) / runs)


def _serve(gateway: RunningGateway, requests: Sequence[bytes], concurrency: int, seconds: float) -> Slice:
    names = ("process_cpu_seconds_total", "sluice_batch_rows_sum", "sluice_batch_rows_count")
    before = [gateway.total(name) for name in names]
    load = asyncio.run(keep_busy(gateway.http_port, requests, concurrency, seconds))
    cpu_s, rows, batches = (gateway.total(name) - was for name, was in zip(names, before, strict=True))
    return Slice(
        load.per_second,
        1e6 * cpu_s / load.requests,
        load.quantile_ms(0.5),
        load.quantile_ms(0.99),
        rows / batches,
    )


def _print(found: dict[int, list[Slice]], repeats: int, cores: int) -> None:
    def median(concurrency: int, figure: str) -> float:
        return float(statistics.median(getattr(each, figure) for each in found[concurrency]))

    table = Table(
        *("connections", "requests/s", "p50 ms", "p99 ms", "server CPU µs/request", "rows/batch"),
        *("requests/s ÷ bare", "CPU ÷ bare"),
        title=f"64→128→10 network, REST with JSON, medians of {repeats} interleaved slices, {cores} cores",
    )
    bare_rate, bare_cpu = median(0, "per_second"), median(0, "cpu_us")
    table.add_row("bare session.run", f"{bare_rate:,.0f}", "", "", f"{bare_cpu:.1f}", "1", "1", "1")
    for concurrency in CONCURRENCY:
        rate, cpu = median(concurrency, "per_second"), median(concurrency, "cpu_us")
        table.add_row(
            str(concurrency),
            f"{rate:,.0f}",
            f"{median(concurrency, 'p50_ms'):.2f}",
            f"{median(concurrency, 'p99_ms'):.2f}",
            f"{cpu:.0f}",
            f"{median(concurrency, 'batch_rows'):.1f}",
            f"{rate / bare_rate:.3f}",
            f"{cpu / bare_cpu:.1f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    cli()

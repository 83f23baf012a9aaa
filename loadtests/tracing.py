"""Measure what tracing costs: CPU time per request of gateways without it and with it, interleaved in one run.

`python -m loadtests.tracing`. Each gateway has the same small network; a collector in this process takes the spans and
forgets them. With `--before DIRECTORY`, a gateway of that checkout, without tracing, is measured beside them: two
checkouts differ by what their code costs while tracing is off. Ratios are to the first line.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Annotated, Any

import grpc
import httpx
import numpy as np
import typer

from loadtests.connection import keep_busy, post
from loadtests.gateway import RunningGateway, running_gateway
from loadtests.network import FEATURES, write_network
from loadtests.wires import wires

MODEL = "network"
CONNECTIONS = 16
CPU = "process_cpu_seconds_total"
RATIOS = (0.0, 0.01, 1.0)
LIVE_WITHIN_S = 30.0
SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def main(
    *,
    seconds: Annotated[float, typer.Option(help="Seconds of each slice.")] = 1.5,
    repeats: Annotated[int, typer.Option(help="How often the slices are interleaved.")] = 7,
    before: Annotated[Path | None, typer.Option(help="Another checkout to measure beside this one.")] = None,
) -> None:
    """Print the CPU time per request of each gateway, and its ratio to the first."""
    row = np.random.default_rng(1).normal(size=(1, FEATURES)).astype(np.float32)
    wire = wires(MODEL)[0]
    body = wire.encode(row)
    request = post(wire.address, body, wire.headers(body))
    with tempfile.TemporaryDirectory() as directory, _collector() as endpoint, ExitStack() as running:
        write_network(Path(directory) / MODEL / "1" / "model.onnx")
        gateways: dict[str, RunningGateway] = {}
        for name, checkout, flags in _variants(before, endpoint):
            with chdir(checkout):
                gateways[name] = running.enter_context(running_gateway(Path(directory), flags))
        for gateway in gateways.values():
            _load(gateway, request, seconds)
        found: dict[str, list[float]] = {name: [] for name in gateways}
        for _ in range(repeats):
            for name, gateway in gateways.items():
                found[name].append(_load(gateway, request, seconds))
    _print(found, repeats)


def _variants(before: Path | None, endpoint: str) -> Iterator[tuple[str, Path, Sequence[str]]]:
    here = Path.cwd()
    if before is not None:
        yield "the other checkout", before, ()
    yield "off", here, ()
    for ratio in RATIOS:
        yield (
            f"on, sample_ratio {ratio:g}",
            here,
            ("--tracing-endpoint", endpoint, "--tracing-sample-ratio", str(ratio)),
        )


@contextmanager
def _collector() -> Iterator[str]:
    """Yield the endpoint of a collector that forgets; its answer, an empty message, says that all is well."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda _, __: b"")
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None)


def _load(gateway: RunningGateway, request: bytes, seconds: float) -> float:
    """Return the server's CPU time per request in microseconds."""
    _wait_until_live(gateway)
    before_s = gateway.total(CPU)
    load = asyncio.run(keep_busy(gateway.http_port, [request], CONNECTIONS, seconds))
    return 1e6 * (gateway.total(CPU) - before_s) / load.requests


def _wait_until_live(gateway: RunningGateway) -> None:
    url = f"http://127.0.0.1:{gateway.http_port}/v2/models/{MODEL}/ready"
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport, timeout=LIVE_WITHIN_S) as client:
        while client.get(url).status_code != httpx.codes.OK:
            os.sched_yield()


def _print(found: dict[str, list[float]], repeats: int) -> None:
    first = next(iter(found.values()))
    print(
        f"CPU per request, REST predict, {CONNECTIONS} connections; medians of {repeats} interleaved slices"
    )
    for name, slices in found.items():
        ratio = statistics.median(one / other for one, other in zip(slices, first, strict=True))
        print(f"  {name:24} {statistics.median(slices):7.1f} µs   {ratio:.3f}")


if __name__ == "__main__":
    cli()

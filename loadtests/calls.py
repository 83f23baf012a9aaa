"""Keep gRPC calls in flight: each sends its next message when its answer has come.

A closed loop over one connection, with messages as bytes. Knows bytes and time; knows nothing of models.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc.aio

from loadtests.connection import Load


async def keep_calling(
    port: int, method: str, messages: Sequence[bytes], concurrency: int, seconds: float
) -> Load:
    """Load a unary `method` (`/package.Service/Method`) with `concurrency` calls at a time for `seconds`.

    Raises grpc.RpcError if a call fails.
    """
    load = Load()
    started_s = time.perf_counter()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(method)

        async def keep_on(start: int) -> None:
            number = start
            while (sent_s := time.perf_counter()) < started_s + seconds:
                await call(messages[number % len(messages)])
                load.latencies_s.append(time.perf_counter() - sent_s)
                number += 1

        await asyncio.gather(*map(keep_on, range(concurrency)))
    load.seconds = time.perf_counter() - started_s
    return load

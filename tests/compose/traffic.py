"""Callers who keep asking, over REST and gRPC, whole answers and streams, and count what became of it.

They never repeat a request: what is lost here is lost for a client that does not retry either.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

import grpc.aio
import httpx

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.compose.stack import ROOT, Stack

ROWS = json.loads((ROOT / "examples" / "tumours.json").read_text())
MODEL, PROMPT, TOKENS = "prose-lstm", "The value of ", 40
CALLERS = 3
"""Of each kind: each has one request under way at a time."""
PAUSE_S = 0.01
LIMIT_S = 150.0
NO_RETRIES = (("grpc.enable_retries", 0),)

Ask = Callable[[], Awaitable[object]]


class Traffic:
    """Runs while the block does; then `answered` and `lost` have the counts, by kind and by reason."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._drive()))
        self._expected: dict[str, object] = {}
        self.answered: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.lost_by_caller: Counter[object] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def total(self) -> int:
        """Return how many requests have been answered so far."""
        return self.answered.total()

    async def _drive(self) -> None:
        rest = f"http://127.0.0.1:{self._stack.ports['REST']}"
        rpc = f"127.0.0.1:{self._stack.ports['GRPC']}"
        async with httpx.AsyncClient(base_url=rest, timeout=30) as http:
            # A channel each, so that the balancer sees several connections.
            channels = [grpc.aio.insecure_channel(rpc, NO_RETRIES) for _ in range(CALLERS)]
            async with asyncio.TaskGroup() as callers:
                for channel in channels:
                    callers.create_task(self._call("REST", lambda: _score(http)))
                    callers.create_task(self._call("REST stream", lambda: _generate(http)))
                    callers.create_task(self._call("gRPC", lambda channel=channel: _score_rpc(channel)))
                    callers.create_task(
                        self._call("gRPC stream", lambda channel=channel: _generate_rpc(channel))
                    )
            for channel in channels:
                await channel.close()

    async def _call(self, kind: str, ask: Ask) -> None:
        until_s = time.monotonic() + LIMIT_S
        while not self._stopping.is_set() and time.monotonic() < until_s:
            try:
                answer = await ask()
            except (httpx.HTTPError, grpc.RpcError, ValueError) as error:
                self.lost[f"{kind}: {_reason(error)}"] += 1
                self.lost_by_caller[asyncio.current_task()] += 1
            else:
                self._check(kind, answer)
            await asyncio.sleep(PAUSE_S)

    def _check(self, kind: str, answer: object) -> None:
        if answer == self._expected.setdefault(kind, answer):
            self.answered[kind] += 1
        else:
            self.lost[f"{kind}: another answer than before"] += 1


async def _score(http: httpx.AsyncClient) -> object:
    answer = await http.post("/v1/score", json=ROWS)
    answer.raise_for_status()
    return [row["verdict"] for row in answer.json()["rows"]]


async def _generate(http: httpx.AsyncClient) -> object:
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "stream": True}
    async with http.stream("POST", "/v1/generate", json=body) as answer:
        answer.raise_for_status()
        lines = [line.removeprefix("data: ") async for line in answer.aiter_lines() if line]
    if lines[-1:] != ["[DONE]"]:
        raise ValueError("a stream that broke off")
    return "".join(json.loads(line)["text"] for line in lines[:-1])


async def _score_rpc(channel: grpc.aio.Channel) -> object:
    rows = [pb.Features(values=row) if isinstance(row, list) else pb.Features(by_name=row) for row in _rows()]
    reply = await InferenceStub(channel).Score(pb.ScoreRequest(rows=rows), timeout=30)
    return [row.is_anomaly for row in reply.rows]


async def _generate_rpc(channel: grpc.aio.Channel) -> object:
    request = pb.GenerateRequest(
        model=pb.ModelRef(name=MODEL), prompt=PROMPT, max_tokens=TOKENS, temperature=0
    )
    stream = InferenceStub(channel).GenerateStream(request, timeout=30)
    return "".join([chunk.text async for chunk in stream])


def _rows() -> list[Any]:
    rows = ROWS["rows"]
    return rows if isinstance(rows, list) else [rows]


def _reason(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"

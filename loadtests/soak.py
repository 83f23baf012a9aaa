"""Generate for very many callers at random, a third of whom leave midway, and look for what must not be.

Every token must carry its own row's tag, every slot must be free in the end, and memory must not grow. Knows the engine's
generator over real graphs in ONNX Runtime; knows nothing of texts or gateways.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uvloop

from loadtests.tagging import CYCLE, TAGS, Tagged, expected
from service.domain import Array, Sampling
from service.engine.contracts import Prompt
from service.engine.generator import GenerationLimits, Generator
from service.engine.session import Placement, open_session

CALLERS = 96
"""Callers at a time, three for each slot. Each has tags of its own, so that no two in flight have the same."""
SLOTS = 32
TAGS_OF_EACH = TAGS // CALLERS
LONGEST = 24
IDLE_TURNS = 500
MOST_GROWN_BYTES = 16 * 2**20
WARM_SHARE = 0.2
"""Memory is measured from there on: until then pools and caches fill."""
NEVER_S = 1e12
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Found:
    """What a soak saw. `grown_bytes` is how much memory grew after the first fifth of the generations."""

    finished: int = 0
    cancelled: int = 0
    tokens: int = 0
    strangers: list[str] = field(default_factory=list)
    slots_in_use: int = 0
    waiting: int = 0
    grown_bytes: int = 0
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        wrong = list(self.strangers[:10])
        if self.slots_in_use or self.waiting:
            wrong.append(f"{self.slots_in_use} slots in use and {self.waiting} waiting when all had gone")
        if self.grown_bytes > MOST_GROWN_BYTES:
            wrong.append(f"memory grew by {self.grown_bytes} bytes, at most {MOST_GROWN_BYTES} are allowed")
        return wrong


def soak(tagged: Tagged, generations: int, seed: int = 1) -> Found:
    """Run `generations` random generations over a graph of `tagging`, `CALLERS` at a time."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "step.onnx"
        tagged.write(path)
        session = open_session(path, Placement("cpu", 1))
    limits = GenerationLimits(slots=SLOTS, max_waiting=CALLERS, chunk=16)

    async def run() -> Found:
        generator = Generator(session, tagged.graph, tagged.signature, limits, end_id=None)
        try:
            return await _Soak(generator, tagged, generations, seed).run()
        finally:
            generator.close()

    return uvloop.run(run())


class _Soak:
    """One soak on its event loop."""

    def __init__(self, generator: Generator, tagged: Tagged, generations: int, seed: int) -> None:
        self._generator = generator
        self._tagged = tagged
        self._left = generations
        self._warm = generations - int(WARM_SHARE * generations)
        self._seed = seed
        self._warm_bytes = 0
        self._found = Found()

    async def run(self) -> Found:
        started_s = time.perf_counter()
        async with asyncio.TaskGroup() as callers:
            for caller in range(CALLERS):
                callers.create_task(self._call(caller))
        for _ in range(IDLE_TURNS):
            if not (self._generator.slots_in_use or self._generator.waiting):
                break
            await asyncio.sleep(0.01)
        found = self._found
        found.slots_in_use, found.waiting = self._generator.slots_in_use, self._generator.waiting
        found.grown_bytes = _resident_bytes() - self._warm_bytes
        found.seconds = time.perf_counter() - started_s
        return found

    async def _call(self, caller: int) -> None:
        """Ask again and again, each time with another of the caller's own tags."""
        rng = random.Random(f"{self._seed} {caller}")
        while self._left:
            self._left -= 1
            if self._left == self._warm:
                self._warm_bytes = _resident_bytes()
            tag = caller * TAGS_OF_EACH + self._left % TAGS_OF_EACH
            fate = rng.random()
            if fate < 1 / 6:
                await self._cancelled(tag, rng)
            else:
                await self._generate(tag, rng, leaves=fate < 1 / 3)

    async def _cancelled(self, tag: int, rng: random.Random) -> None:
        """Cancel the task that reads, at any moment: while it waits for a slot, too."""
        asking = asyncio.create_task(self._generate(tag, rng, leaves=False, counts=False))
        for _ in range(rng.randint(0, 60)):
            await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        self._found.cancelled += 1

    async def _generate(self, tag: int, rng: random.Random, *, leaves: bool, counts: bool = True) -> None:
        prompt, wanted = rng.randint(1, self._tagged.longest_prompt), rng.randint(2, LONGEST)
        right = expected(tag, prompt, wanted)
        leaves_after = rng.randint(1, wanted - 1) if leaves else wanted
        given = Prompt((tag * CYCLE,) * prompt, self._context(tag))
        sampling = Sampling(temperature=0.0) if rng.random() < 0.5 else Sampling(temperature=0.01, seed=tag)
        got = list[int]()
        async with aclosing(self._generator.stream(given, sampling, wanted, NEVER_S)) as tokens:
            async for token in tokens:
                got.append(token.id)
                if len(got) == leaves_after:
                    break
        self._found.tokens += len(got)
        if got != right[:leaves_after]:
            self._found.strangers.append(f"tag {tag}: expected {right[:leaves_after]}, got {got}")
        if counts:
            self._found.finished += not leaves
            self._found.cancelled += leaves

    def _context(self, tag: int) -> dict[str, Array]:
        return {name: np.array([tag], np.float32) for name in self._tagged.graph.context}


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES

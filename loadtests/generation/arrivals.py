"""Let requests come at given times, from a process of their own, as clients' do.

Knows clocks and a pipe; knows nothing of requests. A timer of the loop that serves them would be late by whole
milliseconds, and a thread beside it would wait for the interpreter: both would be counted as waiting.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence


async def arrivals(times_s: Sequence[float]) -> AsyncIterator[int]:
    """Yield how many have come so far each time that some have; `times_s`, ascending, count on `time.perf_counter`."""
    clock = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert clock.stdin is not None
    assert clock.stdout is not None
    clock.stdin.write(json.dumps(list(times_s)).encode())
    clock.stdin.close()
    came = 0
    while came < len(times_s):
        came += len(await clock.stdout.read(4096))
        yield came
    await clock.wait()


def main() -> None:
    """Write a byte to standard output at each of the times that standard input has."""
    for at_s in json.load(sys.stdin):
        time.sleep(max(0.0, at_s - time.perf_counter()))
        os.write(1, b".")


if __name__ == "__main__":
    main()

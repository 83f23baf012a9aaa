"""Let requests come at given times, from a process of their own, as clients' do.

Knows clocks and a pipe; knows nothing of requests. A timer of the loop that serves them would be late by whole
milliseconds, and a thread beside it would wait for the interpreter: both would be counted as waiting.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence


async def arrivals(times_s: Sequence[float]) -> AsyncIterator[int]:
    """Yield how many have come so far each time that some have; `times_s`, ascending, count on `time.perf_counter`."""
    clock = _started(times_s)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), clock.stdout
    )
    came = 0
    try:
        while came < len(times_s):
            more = len(await reader.read(4096))
            if not more:
                raise RuntimeError("the process that lets requests come has ended before the last of them")
            came += more
            yield came
    finally:
        transport.close()
        clock.kill()
        clock.wait()


def _started(times_s: Sequence[float]) -> subprocess.Popen[bytes]:
    # The loop would copy this process to begin another, and each page would be copied again when it is written to.
    clock = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert clock.stdin is not None
    with clock.stdin as times:
        times.write(json.dumps(list(times_s)).encode())
    return clock


def main() -> None:
    """Write a byte to standard output at each of the times that standard input has, those that are due together at once."""
    times_s, came = json.load(sys.stdin), 0
    while came < len(times_s):
        time.sleep(max(0.0, times_s[came] - time.perf_counter()))
        due = max(came + 1, bisect.bisect_right(times_s, time.perf_counter()))
        os.write(1, b"." * (due - came))
        came = due


if __name__ == "__main__":
    main()

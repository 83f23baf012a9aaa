"""When requests arrive in an open loop: a Poisson process, which does not wait for answers.

Knows rates and time; knows nothing of requests. The sum of several such processes is one again, so that each
user of a load test may have its own and all of them together are Poisson arrivals at the sum of their rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def poisson(rate: float, start_s: float, random: Random) -> Iterator[float]:
    """Yield for ever the points in time, after `start_s`, of arrivals at `rate` a second.

    The gaps are independent and exponentially distributed. Raises ValueError if `rate` is not positive.
    """
    if rate <= 0:
        raise ValueError(f"a rate of {rate} arrivals a second: expected more than 0")
    at_s = start_s
    while True:
        at_s += random.expovariate(rate)
        yield at_s

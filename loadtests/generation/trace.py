"""When requests come and how much they want: one trace for every way of serving.

Pure; knows random numbers and a model's prompts as ids, nothing of graphs or clocks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt as token ids, how many tokens are wanted at most, and when it comes, in seconds from the start."""

    prompt: tuple[int, ...]
    max_tokens: int
    at_s: float = 0.0


def poisson(requests: Sequence[Request], rate: float, seed: int) -> tuple[Request, ...]:
    """Return the requests as they come independently of one another, `rate` a second on average."""
    rng, now_s, trace = random.Random(seed), 0.0, list[Request]()
    for request in requests:
        now_s += rng.expovariate(rate)
        trace.append(replace(request, at_s=now_s))
    return tuple(trace)


def long_tailed(rng: random.Random, median: float, longest: int) -> int:
    """Draw a length: mostly short, sometimes several times the median (log-normal), from 1 to `longest`."""
    return max(1, min(longest, round(rng.lognormvariate(0, 0.7) * median)))

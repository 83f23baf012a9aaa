"""How long a user thinks between an answer and its next request.

Knows seconds; knows nothing of users.
"""

from __future__ import annotations

import math


def parse(text: str) -> tuple[float, float]:
    """Return the least and the longest time in seconds of `0.5` or `0.1..2`; raises ValueError."""
    low, between, high = text.partition("..")
    try:
        least_s = float(low)
        longest_s = float(high) if between else least_s
    except ValueError:
        least_s = longest_s = math.nan
    if not 0 <= least_s <= longest_s < math.inf:
        raise ValueError(f"thinking time '{text}': expected seconds, such as 0.5 or 0.1..2")
    return least_s, longest_s

"""Read durations and counts as people write them: `50ms`, `1.5s`, `5m`, `4h`.

Knows text and seconds; knows nothing of what they are for.
"""

from __future__ import annotations

import math
import re

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>us|ms|s|m|h)")


def seconds_of(text: str) -> float:
    """Return a duration in seconds; raises ValueError unless it is a positive number with a unit."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _UNITS[match["unit"]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise ValueError(f"'{text}': expected a positive duration such as 50ms, 30s, 5m or 4h")
    return seconds


def told(seconds: float) -> str:
    """Return a duration for people, with three significant digits."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"

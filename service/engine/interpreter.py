"""Tune the interpreter for a process that runs graphs for others.

Knows Python's collector and its lock; knows no graph.
"""

from __future__ import annotations

import gc
import sys

_SWITCH_INTERVAL_S = 0.0001
_GC_THRESHOLDS = (50_000, 20, 50)


def settle() -> None:
    """Keep the collector from what start-up made, and the lock from being held for long.

    What start-up made stays for ever: the collector need not look at it again. And the loop must not wait the default
    5 ms for the interpreter lock whenever a graph has run in another thread.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)

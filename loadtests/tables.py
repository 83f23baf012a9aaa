"""Print what was measured: medians, and ratios to the first row.

Knows figures; knows nothing of how they came about.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of one repeat; CPU time is the measured process's own."""

    per_second: float
    cpu_us: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    batch_rows: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one thing."""

    name: str
    connections: str
    slices: Sequence[Slice]

    def median(self, figure: str) -> float:
        """Return the median of one figure over the slices."""
        return float(statistics.median(getattr(each, figure) for each in self.slices))


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print `rows`; the first is what the others are compared with."""
    table = Table(
        *("wire", "connections", "per second", "p50 ms", "p99 ms", "CPU µs each", "rows/batch"),
        *("rate ÷ bare", "CPU ÷ bare"),
        title=title,
    )
    bare = rows[0]
    for row in rows:
        rate, cpu = row.median("per_second"), row.median("cpu_us")
        latencies = [f"{row.median(name):.2f}" if row.connections else "" for name in ("p50_ms", "p99_ms")]
        table.add_row(
            row.name,
            row.connections,
            f"{rate:,.0f}",
            *latencies,
            f"{cpu:.1f}",
            f"{row.median('batch_rows'):.1f}",
            f"{rate / bare.median('per_second'):.3f}",
            f"{cpu / bare.median('cpu_us'):.1f}",
        )
    Console(width=120).print(table)

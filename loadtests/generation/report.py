"""Tell people what a comparison found.

Knows tables; knows nothing of how it was measured.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from loadtests.generation.comparison import BARE, CONTINUOUS, MODES, TARGETS, Comparison
from loadtests.generation.figures import MOST_BEFORE_FIRST_S, MOST_BETWEEN_S, Figures

COLUMNS = (
    "load", "served", "tokens/s", "tokens/CPU s", "first p50 ms", "first p99 ms", "between p50 ms", "between p99 ms", "good/s",
)  # fmt: skip


def show(name: str, found: Comparison, console: Console) -> None:
    """Print the figures of a model, and whether its targets are met."""
    table = Table(*COLUMNS, title=name)
    table.add_row("full", BARE, *_cells(found.bare)[:2])
    loads = (("full", found.full), (f"{found.loaded_rate:.0f} requests/s", found.loaded))
    for load, by_mode in loads:
        for mode in MODES:
            table.add_row(load, mode, *_cells(by_mode[mode]))
    console.print(table)
    console.print(
        f"  tokens for a second of CPU time, continuous ÷ one at a time: {found.thrift:.2f}", highlight=False
    )
    over_bare = found.full[CONTINUOUS].tokens_per_s / found.bare.tokens_per_s
    console.print(f"  tokens/s, continuous ÷ bare loop: {over_bare:.2f}", highlight=False)
    for target in TARGETS:
        verdict = "met" if target.met(found) else "missed"
        bound = f"{'below' if target.at_most else 'at least'} {target.bound:g}"
        console.print(f"  {target.name}: {target.figure(found):.2f} ({bound}: {verdict})", highlight=False)


def bounds() -> str:
    """Say what good means."""
    return (
        f"good: first token within {1000 * MOST_BEFORE_FIRST_S:.0f} ms, every next one within "
        f"{1000 * MOST_BETWEEN_S:.0f} ms"
    )


def _cells(of: Figures) -> list[str]:
    waits = (of.first_p50_ms, of.first_p99_ms, of.between_p50_ms, of.between_p99_ms)
    return [
        f"{of.tokens_per_s:,.0f}",
        f"{of.tokens_per_cpu_s:,.0f}",
        *(f"{wait:.2f}" for wait in waits),
        f"{of.good_per_s:.1f}",
    ]

"""Judge a load test when it is over: a table of the objectives, a summary, and the exit code.

Knows locust's statistics; what is judged and how is in `loadtests.traffic.objectives`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtests.traffic import objectives
from loadtests.traffic.objectives import LATENESS, Series, Verdict, quantile_s


def series_of(stats: Any) -> list[Series]:
    """Return what locust measured, one series for each of its entries."""
    seconds = max(1e-9, (stats.total.last_request_timestamp or 0) - stats.total.start_time)
    found = []
    for (name, method), entry in stats.entries.items():
        transport, _, of = method.partition(" ")
        labels = frozenset((*name.split(), transport.lower()))
        counts = dict(entry.response_times)
        found.append(
            Series(f"{method} {name}", labels, of, entry.num_requests, entry.num_failures, counts, seconds)
        )
    return found


def conclude(environment: Any, console: Console) -> None:
    """Print the verdicts, write the summary, and make the exit code 0 or 1 if there are objectives."""
    options = environment.parsed_options
    series = series_of(environment.stats)
    verdicts = objectives.judge(objectives.parse(options.slo), series)
    if verdicts:
        console.print(_table(verdicts))
        environment.process_exit_code = 0 if all(each.met for each in verdicts) else 1
    if options.summary:
        Path(options.summary).write_text(json.dumps(summary(verdicts, series), indent=1))


def summary(verdicts: list[Verdict], series: list[Series]) -> dict[str, Any]:
    """Return the verdicts and the figures of all requests, in seconds and shares."""
    requests = [each for each in series if not each.of]
    asked, failed = (sum(getattr(each, name) for each in requests) for name in ("requests", "failures"))
    return {
        "met": all(each.met for each in verdicts),
        "objectives": [
            {
                "name": each.objective.name,
                "bound": each.objective.bound,
                "found": each.found,
                "met": each.met,
            }
            for each in verdicts
        ],
        "requests": asked,
        "failures": failed,
        "answers_per_s": (asked - failed) / requests[0].seconds if requests else 0.0,
        "p50_s": quantile_s(requests, 0.5),
        "p99_s": quantile_s(requests, 0.99),
        "lateness_p99_s": quantile_s([each for each in series if each.of == LATENESS], 0.99),
        "series": [
            {
                "name": each.name,
                "requests": each.requests,
                "failures": each.failures,
                "p50_s": quantile_s([each], 0.5),
                "p99_s": quantile_s([each], 0.99),
            }
            for each in series
        ],
    }


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("objective", "bound", "found", "verdict", title="Objectives")
    for each in verdicts:
        bound, found = each.told(each.objective.bound), each.told(each.found)
        table.add_row(each.objective.name, bound, found, "met" if each.met else "MISSED")
    return table

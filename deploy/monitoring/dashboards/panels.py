"""The nouns of a dashboard: rows of panels, each with the queries whose answers it draws.

Knows PromQL's shapes for rates, shares and quantiles. Knows nothing of Grafana's JSON (`grafana` does).

Every query adds up or takes maxima over gateways: it is right for one and for many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RATE = "$__rate_interval"
Kind = Literal["timeseries", "stat", "table"]


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and what a line of its answer is called (`{{model}}` is a label's value)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One drawing; `unit` is Grafana's name of it, `width` of 24.

    `gpu`: only gateways with one have data. `quiet`: there is nothing to draw while all is well.
    """

    title: str
    queries: tuple[Query, ...]
    text: str
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    gpu: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """Something to choose above the panels; `values` is Grafana's question for what there is to choose."""

    name: str
    values: str
    several: bool = False


@dataclass(frozen=True)
class Dashboard:
    """Rows, and what can be chosen above them."""

    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


def rate(metric: str, labels: str = "", by: str = "model") -> str:
    """Return what is added to a counter each second, by some labels."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}[{RATE}]))"


def mean(histogram: str, labels: str = "", by: str = "model") -> str:
    """Return the mean of what a histogram has seen."""
    return f"{rate(histogram + '_sum', labels, by)} / {rate(histogram + '_count', labels, by)}"


def quantile(share: float, histogram: str, labels: str = "", by: str = "model") -> str:
    """Return a quantile of what a histogram has seen."""
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', labels, f'{by}, le')})"


def quantiles(histogram: str, labels: str = "", by: str = "model") -> tuple[Query, ...]:
    """Return the median, the 90th and the 99th percentile."""
    return tuple(
        Query(quantile(share, histogram, labels, by), f"{{{{{by}}}}} {name}")
        for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
    )

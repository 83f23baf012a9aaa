"""Tell metrics anew: other names, labels and units, summed over the labels that are left out.

Pure: readings in, metrics out. Knows nobody's names. A scrape reads each family once, whatever is made of it: reading
and writing histograms is what a scrape takes its time for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from prometheus_client import Metric
from prometheus_client.registry import Collector

Labels = Mapping[str, str]
Naming = Callable[[Labels], Labels | None]
"""From our labels to theirs; None leaves a series out. What becomes alike is added up."""
Values = Iterable[tuple[Labels, float]]

MICROSECONDS = 1e6


@dataclass(slots=True)
class _Series:
    """What a family has for one set of labels: by suffix of the name, and of a histogram by bound."""

    labels: Labels
    values: dict[str, float] = field(default_factory=dict)
    buckets: dict[str, float] = field(default_factory=dict)


class Readings:
    """What families said when they were first asked; one for each scrape."""

    def __init__(self) -> None:
        self._read: dict[Collector, list[_Series]] = {}

    def values(self, family: Collector, suffix: str = "", only: Labels | None = None) -> Values:
        """Yield labels and value: of a histogram its `_count` or `_sum`, of a counter its `_total`, of a gauge what it
        is; `only` of series with these labels.
        """
        wanted = (only or {}).items()
        for series in self._series(family):
            if suffix in series.values and wanted <= series.labels.items():
                yield series.labels, series.values[suffix]

    def histogram(
        self, name: str, text: str, family: Collector, naming: Naming, scale: float = 1.0
    ) -> Metric:
        """Return a histogram with our buckets; `scale` is how many of their units are in one of ours."""
        summed: dict[tuple[tuple[str, str], ...], _Series] = {}
        for series in self._series(family):
            theirs = naming(series.labels)
            if theirs is not None:
                total = summed.setdefault(tuple(theirs.items()), _Series(theirs))
                _add(total.values, series.values)
                _add(total.buckets, series.buckets)
        metric = Metric(name, text, "histogram")
        for total in summed.values():
            for bound, value in total.buckets.items():
                metric.add_sample(f"{name}_bucket", {**total.labels, "le": _scaled(bound, scale)}, value)
            metric.add_sample(f"{name}_count", dict(total.labels), total.values["_count"])
            metric.add_sample(f"{name}_sum", dict(total.labels), total.values["_sum"] * scale)
        return metric

    def _series(self, family: Collector) -> list[_Series]:
        if family not in self._read:
            self._read[family] = _read(family)
        return self._read[family]


def labelled(**names: str) -> Naming:
    """Return a naming that keeps some labels: `labelled(model="model_name")` calls `model` `model_name`."""
    return lambda labels: {theirs: labels[ours] for ours, theirs in names.items()}


def untyped(name: str, text: str, found: Values, naming: Naming, scale: float = 1.0) -> Metric:
    """Return a metric of no type with what was `found`."""
    return _metric(Metric(name, text, "unknown"), name, _summed(found, naming), scale)


def gauge(name: str, text: str, found: Values, naming: Naming) -> Metric:
    """Return a gauge with what was `found`."""
    return _metric(Metric(name, text, "gauge"), name, _summed(found, naming))


def counter(name: str, text: str, found: Values, naming: Naming) -> Metric:
    """Return a counter, whose samples are called `NAME_total`, with what was `found`."""
    return _metric(Metric(name, text, "counter"), f"{name}_total", _summed(found, naming))


def _read(family: Collector) -> list[_Series]:
    found: dict[tuple[str, ...], _Series] = {}
    for metric in family.collect():
        for sample in metric.samples:
            labels = dict(sample.labels)
            bound = labels.pop("le", None)
            series = found.setdefault(tuple(labels.values()), _Series(labels))
            if bound is None:
                series.values[sample.name[len(metric.name) :]] = sample.value
            else:
                series.buckets[bound] = sample.value
    return list(found.values())


def _metric(
    metric: Metric, name: str, found: Iterator[tuple[dict[str, str], float]], scale: float = 1.0
) -> Metric:
    for labels, value in found:
        metric.add_sample(name, labels, value * scale)
    return metric


def _summed(found: Values, naming: Naming) -> Iterator[tuple[dict[str, str], float]]:
    totals: dict[tuple[tuple[str, str], ...], float] = {}
    for labels, value in found:
        theirs = naming(labels)
        if theirs is not None:
            key = tuple(theirs.items())
            totals[key] = totals.get(key, 0.0) + value
    return ((dict(key), value) for key, value in totals.items())


def _add(total: dict[str, float], more: Mapping[str, float]) -> None:
    for key, value in more.items():
        total[key] = total.get(key, 0.0) + value


@lru_cache(maxsize=256)
def _scaled(bound: str, scale: float) -> str:
    # Rounded: 0.0025 s are 2500.0 µs, whatever a product of floating-point numbers says.
    return bound if bound == "+Inf" else str(round(float(bound) * scale, 6))

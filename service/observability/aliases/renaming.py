"""Tell metrics anew: other names, labels and units, summed over the labels that are left out.

Pure: samples in, metrics out. Knows nobody's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isinf

from prometheus_client import Metric
from prometheus_client.registry import Collector

Labels = Mapping[str, str]
Naming = Callable[[Labels], Labels | None]
"""From our labels to theirs; None leaves a sample out. What becomes alike is added up."""
Values = Iterable[tuple[Labels, float]]

MICROSECONDS = 1e6


def labelled(**names: str) -> Naming:
    """Return a naming that keeps some labels: `labelled(model="model_name")` calls `model` `model_name`."""
    return lambda labels: {theirs: labels[ours] for ours, theirs in names.items()}


def values(family: Collector, suffix: str = "", only: Labels | None = None) -> Iterator[tuple[Labels, float]]:
    """Yield labels and value of a family's samples: of a histogram's `_count`, `_sum` or `_bucket`, of a counter's
    `_total`, of those of a gauge; `only` of those with these labels.
    """
    wanted = (only or {}).items()
    for metric in family.collect():
        for sample in metric.samples:
            if sample.name == metric.name + suffix and wanted <= sample.labels.items():
                yield sample.labels, sample.value


def untyped(name: str, text: str, found: Values, naming: Naming, scale: float = 1.0) -> Metric:
    """Return a metric of no type with what was `found`."""
    return _metric(name, text, "unknown", found, naming, scale)


def gauge(name: str, text: str, found: Values, naming: Naming, scale: float = 1.0) -> Metric:
    """Return a gauge with what was `found`."""
    return _metric(name, text, "gauge", found, naming, scale)


def counter(name: str, text: str, found: Values, naming: Naming) -> Metric:
    """Return a counter, whose samples are called `NAME_total`, with what was `found`."""
    metric = Metric(name, text, "counter")
    for labels, value in _summed(found, naming):
        metric.add_sample(f"{name}_total", dict(labels), value)
    return metric


def histogram(name: str, text: str, family: Collector, naming: Naming, scale: float = 1.0) -> Metric:
    """Return a histogram with our buckets; `scale` is how many of their units are in one of ours."""
    metric = Metric(name, text, "histogram")
    buckets = _summed(values(family, "_bucket"), lambda labels: _with_bound(naming(labels), labels, scale))
    for labels, value in buckets:
        metric.add_sample(f"{name}_bucket", dict(labels), value)
    for suffix, by in (("_count", 1.0), ("_sum", scale)):
        for labels, value in _summed(values(family, suffix), naming):
            metric.add_sample(name + suffix, dict(labels), value * by)
    return metric


def _metric(name: str, text: str, kind: str, found: Values, naming: Naming, scale: float) -> Metric:
    metric = Metric(name, text, kind)
    for labels, value in _summed(found, naming):
        metric.add_sample(name, dict(labels), value * scale)
    return metric


def _summed(found: Values, naming: Naming) -> Iterable[tuple[tuple[tuple[str, str], ...], float]]:
    totals: dict[tuple[tuple[str, str], ...], float] = {}
    for labels, value in found:
        theirs = naming(labels)
        if theirs is not None:
            key = tuple(theirs.items())
            totals[key] = totals.get(key, 0.0) + value
    return totals.items()


def _with_bound(theirs: Labels | None, ours: Labels, scale: float) -> Labels | None:
    if theirs is None:
        return None
    bound = float(ours["le"])
    # Rounded: 0.0025 s are 2500.0 µs, whatever a product of floating-point numbers says.
    return {**theirs, "le": "+Inf" if isinf(bound) else str(round(bound * scale, 6))}

"""Our metrics by the names that other servers give them, for dashboards that know those.

Knows names and what they stand for. Records nothing: every number is read from our own metrics when it is asked for,
so that the hot path counts once.

Only what means the same has an alias. Other servers' counters do not end in `_total`, which the exposition format asks
of counters: they are exposed without a type, which Prometheus does not mind.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from service.observability.aliases.renaming import Readings
from service.observability.aliases.tfserving import TfServingNames
from service.observability.aliases.triton import Tallies, TritonNames
from service.observability.aliases.vllm import VllmNames
from service.observability.families import Families

__all__ = ["Aliases"]


class Aliases(Collector):
    """All aliases of one set of families; `tallies` gives what was counted for each version."""

    def __init__(self, families: Families, tallies: Tallies) -> None:
        self._names = (TritonNames(families, tallies), TfServingNames(families), VllmNames(families))

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: whoever registers this need not read everything for it."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every alias with the numbers of now."""
        readings = Readings()
        for names in self._names:
            yield from names.told(readings)

"""Our metrics by the names that other servers give them, for dashboards that know those.

Knows names and what they stand for. Records nothing: every number is read from our own metrics when it is asked for,
so that the hot path counts once.

Only what means the same has an alias. Other servers' counters do not end in `_total`, which the exposition format asks
of counters: they are exposed without a type, which Prometheus does not mind.
"""

from service.observability.aliases.tfserving import TfServingNames
from service.observability.aliases.triton import TritonNames
from service.observability.aliases.vllm import VllmNames

__all__ = ["TfServingNames", "TritonNames", "VllmNames"]

"""Offer the generators' metrics by the names that vLLM gives them, for dashboards that know those.

Knows names and what they stand for. Records nothing: every number is read from `families` when it is asked for.

Only what means the same has an alias. vLLM's label `engine` has the version here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service.observability.families import Families

WORDS = ("generate", "translate")


class VllmNames(Collector):
    """The aliases of one set of families."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield every alias with the numbers of now."""
        families = self._families
        yield _renamed("num_requests_running", families.sequences_running.collect())
        yield _renamed("num_requests_waiting", families.sequences_waiting.collect())
        yield self._cache_usage()
        yield _renamed("num_preemptions", families.preemptions.collect())
        yield _renamed("prompt_tokens", families.tokens.collect(), only={"kind": ("prompt",)})
        yield _renamed("generation_tokens", families.tokens.collect(), only={"kind": ("completion",)})
        yield _renamed(
            "request_success", families.generations.collect(), keep={"finish_reason": "finished_reason"}
        )
        yield _renamed("time_to_first_token_seconds", families.time_to_first_token.collect())
        for name in ("time_per_output_token_seconds", "inter_token_latency_seconds"):
            yield _renamed(name, families.time_between_tokens.collect())
        yield _renamed(
            "e2e_request_latency_seconds",
            families.request_duration.collect(),
            only={"word": WORDS, "outcome": ("ok",)},
        )
        yield _renamed("request_queue_time_seconds", families.queue_wait.collect(), only={"word": WORDS})

    def _cache_usage(self) -> Metric:
        usage = Metric(
            "vllm:kv_cache_usage_perc", "Share of the state memory in use, where it is bounded.", "gauge"
        )
        limits = {_labels(sample): sample.value for sample in _samples(self._families.cache_bytes.collect())}
        for sample in _samples(self._families.cache_bytes_in_use.collect()):
            limit = limits.get(_labels(sample), 0.0)
            if limit > 0:
                usage.add_sample(usage.name, dict(_labels(sample)), sample.value / limit)
        return usage


def _renamed(
    name: str,
    found: Iterable[Metric],
    only: Mapping[str, tuple[str, ...]] | None = None,
    keep: Mapping[str, str] | None = None,
) -> Metric:
    """Return the samples whose labels are among `only`, summed over every label but those of `keep`."""
    (family,) = found
    alias = Metric(f"vllm:{name}", family.documentation, family.type)
    totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for sample in _samples([family]):
        if all(sample.labels[label] in values for label, values in (only or {}).items()):
            suffix = sample.name.removeprefix(family.name)
            key = suffix, _labels(sample, keep)
            totals[key] = totals.get(key, 0.0) + sample.value
    for (suffix, labels), value in totals.items():
        alias.add_sample(alias.name + suffix, dict(labels), value)
    return alias


def _samples(found: Iterable[Metric]) -> Iterator[Sample]:
    for metric in found:
        for sample in metric.samples:
            if not sample.name.endswith("_created"):
                yield sample


def _labels(sample: Sample, keep: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    kept = {**(keep or {}), "le": "le"}
    others = tuple((name, sample.labels[label]) for label, name in kept.items() if label in sample.labels)
    return (("model_name", sample.labels["model"]), ("engine", sample.labels["version"]), *others)

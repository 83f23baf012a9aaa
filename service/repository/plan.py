"""Decide what to load and what to unload, from what is on disk, wanted, live and known to be bad.

Pure functions. Knows versions and fingerprints; knows nothing of time, threads or files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Hashable, Mapping
from dataclasses import dataclass, field

from service.domain import ModelId
from service.repository.policy import wanted
from service.repository.rules import Rules

Fingerprint = Hashable
"""Equal for a version directory whose files have not changed."""

Labels = Mapping[str, Mapping[str, int]]
"""By model name, the version number that each label points to."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is on disk, what is live and what failed to load, each with the fingerprint it had then.

    `labels` is what labels point to, `in_force` what they mean until that is live (`labels_in_force`).
    """

    disk: Mapping[ModelId, Fingerprint]
    live: Mapping[ModelId, Fingerprint]
    failed: Mapping[ModelId, Fingerprint]
    labels: Labels
    in_force: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: `load` in this order, `unload` at once. `wanted` is what is to be live in the end."""

    load: tuple[ModelId, ...]
    unload: tuple[ModelId, ...]
    wanted: frozenset[ModelId]


def plan(situation: Situation, rules: Rules) -> Plan:
    """Return what to do next.

    A version that failed is not tried again until its files change. A live version whose files changed is
    loaded again beside itself. No version of a model that was unloaded is wanted. One that is on disk and no longer wanted goes only when everything that is
    wanted of its model is live, so that a model never stops answering for a newer version that may be bad;
    one that is no longer on disk goes at once. The newest version of every model is loaded before older ones.
    """
    target = _targets(situation, rules)
    load = [model for model in target if _must_load(model, situation)]
    complete = {model.name for model in situation.disk} - {
        model.name for model in target if model not in situation.live
    }
    unload = [
        model
        for model in situation.live
        if model not in situation.disk or (model not in target and model.name in complete)
    ]
    return Plan(_newest_first(load), tuple(sorted(unload, key=_by_name)), target)


def labels_in_force(pointed: Labels, before: Labels, live: Container[ModelId]) -> Labels:
    """Return what each label means now: what it points to, or, until that is live, what it meant `before`.

    So moving a label loses no request, and a bad version does not take it from a good one.
    """
    return {
        name: {
            label: _in_force(name, number, before.get(name, {}).get(label, number), live)
            for label, number in labels.items()
        }
        for name, labels in pointed.items()
    }


def _in_force(name: str, pointed: int, before: int, live: Container[ModelId]) -> int:
    waits = ModelId(name, pointed) not in live and ModelId(name, before) in live
    return before if waits else pointed


def _targets(situation: Situation, rules: Rules) -> frozenset[ModelId]:
    versions: dict[str, set[int]] = defaultdict(set)
    bad: dict[str, set[int]] = defaultdict(set)
    for model, fingerprint in situation.disk.items():
        versions[model.name].add(model.version)
        if model not in situation.live and situation.failed.get(model) == fingerprint:
            bad[model.name].add(model.version)
    return frozenset(
        ModelId(name, number)
        for name, numbers in versions.items()
        if name not in rules.unloaded
        for number in wanted(numbers, bad[name], rules.policy_of(name), _labelled(name, situation))
    )


def _labelled(name: str, situation: Situation) -> set[int]:
    return {
        number
        for labels in (situation.labels, situation.in_force)
        for number in labels.get(name, {}).values()
    }


def _must_load(model: ModelId, situation: Situation) -> bool:
    fingerprint = situation.disk[model]
    if situation.failed.get(model) == fingerprint:
        return False
    return model not in situation.live or situation.live[model] != fingerprint


def _newest_first(models: list[ModelId]) -> tuple[ModelId, ...]:
    newest: dict[str, list[int]] = defaultdict(list)
    for model in models:
        newest[model.name].append(model.version)
    rank = {
        ModelId(name, number): position
        for name, numbers in newest.items()
        for position, number in enumerate(sorted(numbers, reverse=True))
    }
    return tuple(sorted(models, key=lambda model: (rank[model], model.name)))


def _by_name(model: ModelId) -> tuple[str, int]:
    return model.name, model.version

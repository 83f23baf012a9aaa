"""What is to be live: the versions that policies and labels want, without the models that were unloaded.

Values that are swapped as a whole. Knows nothing of what is on disk, or of who changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from service.config import Place, Policy, Repository

LabelRules = Mapping[str, int | None]
"""Labels of a model; None: there is no such label, whatever the model's `labels.json` says."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where models lie: each of `base_paths` by itself, and, with `shelf`, those below the models directory."""

    base_paths: Mapping[str, Place] = field(default_factory=dict)
    shelf: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """By model name: policies where they differ from `policy`, labels that win over `labels.json`.

    Models that are `unloaded` have no version live, whatever else wants one. There are models at `places` only.
    """

    policy: Policy = field(default_factory=Policy)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    labels: Mapping[str, LabelRules] = field(default_factory=dict)
    unloaded: frozenset[str] = frozenset()
    places: Places = field(default_factory=Places)

    @classmethod
    def of(cls, settings: Repository) -> Self:
        """Return the rules that the settings give."""
        places = Places(settings.base_paths)
        return cls(settings.policy, settings.policies, settings.labels, places=places)

    def policy_of(self, name: str) -> Policy:
        """Return the policy of one model."""
        return self.policies.get(name, self.policy)

    def with_unloaded(self, name: str) -> Self:
        """Return these rules with no version of a model."""
        return replace(self, unloaded=self.unloaded | {name})

    def with_loaded(self, name: str) -> Self:
        """Return these rules with the versions of a model that policy and labels want."""
        return replace(self, unloaded=self.unloaded - {name})

    def with_label(self, name: str, label: str, version: int | None) -> Self:
        """Return these rules with one label as told."""
        return self.with_labels(name, {**self.labels.get(name, {}), label: version})

    def with_labels(self, name: str, labels: LabelRules) -> Self:
        """Return these rules with other labels of a model."""
        return replace(self, labels={**self.labels, name: labels})

    def labels_of(self, name: str, on_disk: Mapping[str, int]) -> dict[str, int]:
        """Return what the labels of a model point to, with those of its `labels.json`."""
        together = {**on_disk, **self.labels.get(name, {})}
        return {label: version for label, version in together.items() if version is not None}

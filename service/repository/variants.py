"""Choose which variants of a version's graphs are loaded, and which one answers who names none.

Pure functions of manifests and settings; nothing is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from service.bundle import BASE, Manifest
from service.config import Repository
from service.repository.errors import LoadError


class GraphKey(NamedTuple):
    """One graph of a version: the signature that it answers, and of which variant it is."""

    signature: str
    variant: str = BASE

    @property
    def label(self) -> str:
        """What metrics and traces call it."""
        return self.signature if self.variant == BASE else f"{self.signature}.{self.variant}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wished for: `usual` of every model that has it, `by_model` of those that are named, which must have it.

    With `offer`, what is not chosen is loaded as well.
    """

    usual: str = BASE
    by_model: Mapping[str, str] = field(default_factory=dict)
    offer: bool = False

    @classmethod
    def wished(cls, settings: Repository) -> Self:
        """Return what the settings say."""
        return cls(settings.variant, settings.variants, settings.offer_variants)

    def of(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the variants to load, the one that answers first; raises LoadError if one is named that is not there."""
        there = (BASE, *manifest.variants)
        named = self.by_model.get(manifest.name)
        if named is not None and named not in there:
            raise LoadError(f"variant '{named}' is asked for, and there is {', '.join(there)}")
        first = named or (self.usual if self.usual in there else BASE)
        return (first, *(each for each in there if each != first)) if self.offer else (first,)


def graphs(manifest: Manifest, variant: str) -> dict[str, GraphKey]:
    """Return by signature the graph that answers in a variant: its own, or the base of one that has none."""
    return {
        name: GraphKey(name, variant if variant in signature.variants else BASE)
        for name, signature in manifest.signatures.items()
    }

"""Wire a gateway without ports: the rooms that an ingress and a model's replica have in common.

Knows the order of things, as `service.app` does for a gateway of its own. Knows nothing of Ray.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.config import Settings, Url
from service.gateway import Gateway
from service.observability.metrics import Metrics
from service.repository.changes import Changes
from service.repository.live import Loader
from service.repository.registry import Registry
from service.repository.reloader import Reloader
from service.repository.rules import Rules
from service.repository.store import DirectoryStore


@dataclass(frozen=True, slots=True)
class Rooms:
    """The objects of one gateway; `watching` keeps what is live in step with the disk."""

    gateway: Gateway
    registry: Registry
    reloader: Reloader
    metrics: Metrics
    watching: asyncio.Task[None]


def open_rooms(
    settings: Settings,
    make_loader: Callable[[Metrics], Loader],
    make_registry: Callable[[Changes], Registry] = Registry,
) -> Rooms:
    """Return the rooms, of which the reloader already runs. Call it on the event loop that serves."""
    changes, metrics = Changes(), Metrics()
    registry = make_registry(changes)
    store = DirectoryStore(_shelf(settings))
    reloader = Reloader(store, make_loader(metrics), registry, metrics, settings.repository)
    gateway = Gateway(registry, changes, metrics, settings.limits, access_log=settings.log.access)
    return Rooms(gateway, registry, reloader, metrics, asyncio.create_task(reloader.run(), name="reloader"))


def names_on_disk(settings: Settings) -> tuple[str, ...]:
    """Return the models that have a version on disk, by name; raises StoreError."""
    listing = DirectoryStore(_shelf(settings)).scan(Rules.of(settings.repository).places)
    return tuple(sorted({model.name for model in listing.versions}))


def settings_of_one(settings: Settings, name: str) -> Settings:
    """Return the settings of a gateway that has one model only."""
    base = settings.repository.base_paths.get(name)
    if base is None:
        shelf = _shelf(settings)
        assert shelf is not None, "a listed model lies somewhere"
        base = shelf / name
    repository = settings.repository.model_copy(update={"base_paths": {name: base}})
    return settings.model_copy(update={"models": None, "repository": repository})


def _shelf(settings: Settings) -> Path | None:
    assert not isinstance(settings.models, Url), "`Arguments` takes no URL"
    return settings.models

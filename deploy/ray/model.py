"""A replica of one model: a gateway for that model alone, with the real engine, asked by ingresses.

Knows versions and words. Knows no wire: what comes in and goes out are the values of `service.domain`. Our own
errors are answers too, not raised: Ray would wrap a raised one, and write its stack into the log.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from deploy.ray.lingering import LingeringRegistry
from deploy.ray.wiring import open_rooms, settings_of_one
from service.bundle import Manifest
from service.config import Settings
from service.domain import Call, ModelId, ModelRef, TextChunk, Word
from service.errors import NotFound, ServiceError, Unavailable
from service.observability import logs
from service.repository.loader import BundleLoader
from service.repository.variants import Choice

PROTOCOL = "ray"
LOOKS_TO_LINGER = 10
"""Looks at the disk for which a version that was replaced goes on answering."""


class Model:
    """What Serve starts as a replica of a model's deployment."""

    async def __init__(self, name: str, settings: Settings) -> None:  # type: ignore[misc]  # Serve awaits it
        logs.configure(settings.log)
        renamed = name in settings.repository.base_paths
        self._name = name
        self._rooms = open_rooms(
            settings_of_one(settings, name),
            lambda metrics: BundleLoader(
                settings.engine,
                metrics,
                ask_golden=settings.repository.golden,
                may_be_renamed=lambda _: renamed,
                choice=Choice.wished(settings.repository),
            ),
            partial(LingeringRegistry, linger_s=LOOKS_TO_LINGER * settings.repository.poll_interval_s),
        )
        # A replica that Serve sends requests to has its versions.
        await self._rooms.reloader.settled(needs_disk=False)

    async def check_health(self) -> None:
        """Raise if nobody looks at the disk any more: Serve replaces the replica."""
        if self._rooms.watching.done():
            raise RuntimeError("the reloader has ended")

    async def manifest(self, model: ModelId) -> Manifest | str:
        """Return the contract of a live version, or why it is not live."""
        await self._rooms.reloader.settled(needs_disk=False)
        live = self._rooms.registry.get(model)
        if live is not None:
            return live.loaded.manifest
        reasons = [each.reason for each in self._rooms.registry.statuses() if each.model == model]
        return next(filter(None, reasons), "a replica of the model's deployment does not have it")

    async def run(self, word: Word, model: ModelId, request: Any, remaining_s: float, client: str) -> Any:
        """Return the answer of a version to a word, or a ServiceError."""
        call = _call(remaining_s, client)
        try:
            ref = await self._ref(model)
            return await getattr(self._rooms.gateway, word)(ref, request, call)
        except ServiceError as error:
            return error

    async def stream(
        self, model: ModelId, request: Any, remaining_s: float, client: str
    ) -> AsyncGenerator[TextChunk | ServiceError, None]:
        """Yield a continuation piece by piece; a ServiceError is the last piece."""
        call = _call(remaining_s, client)
        try:
            ref = await self._ref(model)
            async with aclosing(self._rooms.gateway.generate_stream(ref, request, call)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ServiceError as error:
            yield error

    async def _ref(self, model: ModelId) -> ModelRef:
        """Return how to name a version; if it is not live here yet, look at the disk first."""
        ref = ModelRef(model.name, model.version)
        try:
            self._rooms.registry.find(ref)
        except (NotFound, Unavailable):
            await self._rooms.reloader.settled(needs_disk=False)
        return ref


def _call(remaining_s: float, client: str) -> Call:
    # The ingress has named the request, and writes the line about how it ended.
    return Call("", PROTOCOL, time.monotonic() + remaining_s, client=client)

"""One loaded version, and who is using it.

Knows its tasks and counts its users. Knows nothing of how it was loaded or why it will go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from service.bundle import Manifest
from service.domain import ModelId, Word
from service.errors import NotFound
from service.observability.metrics import VersionRecorder
from service.tasks.build import Task


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers: `task` the manifest's word, `predict` any signature; they are one object for a predict model."""

    task: Task
    predict: Task


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """What loading a version gives: its contract, what answers its own word and `predict`, and how to end it.

    `task` and `predict` are those of `Answering` for who names no variant, `variants` has all that may be named.
    `close` answers everyone who still waits and may be called once.
    """

    model: ModelId
    manifest: Manifest
    task: Task
    predict: Task
    recorder: VersionRecorder
    close: Callable[[], None]
    variants: Mapping[str, Answering] = field(default_factory=dict)


class Loader(Protocol):
    """Makes loaded versions."""

    async def load(self, model: ModelId, directory: Path) -> LoadedVersion:
        """Return the loaded version; raises LoadError with a reason for operators."""

    def close(self) -> None:
        """Load no more; idempotent."""


class LiveVersion:
    """A loaded version and how many requests hold it open. Used on one event loop."""

    __slots__ = ("_idle", "_leases", "loaded", "recorder")

    def __init__(self, loaded: LoadedVersion) -> None:
        self.loaded = loaded
        self.recorder = loaded.recorder
        self._leases = 0
        self._idle: asyncio.Event | None = None

    @property
    def model(self) -> ModelId:
        """Name and version."""
        return self.loaded.model

    @property
    def word(self) -> Word:
        """The word that it answers, beside `predict`."""
        return self.loaded.manifest.task.word

    @property
    def leases(self) -> int:
        """How many requests are using it."""
        return self._leases

    def task(self, word: Word, variant: str = "") -> Any:
        """Return what answers `word`, which the registry has checked; raises NotFound if there is no such variant."""
        answering = self.loaded.variants.get(variant) if variant else self.loaded
        if answering is None:
            known = ", ".join(self.loaded.variants) or "none to choose from"
            raise NotFound(
                f"no variant {variant[:64]!a} of '{self.model.name}' is loaded; there is {known}",
                field="x-sluice-variant",
            )
        return answering.predict if word == "predict" else answering.task

    def acquire(self) -> None:
        """Hold it open until `release`."""
        self._leases += 1

    def release(self) -> None:
        """Give back what `acquire` took."""
        self._leases -= 1
        if self._leases == 0 and self._idle is not None:
            self._idle.set()

    async def drained(self) -> None:
        """Return when nobody uses it; for one that can no longer be found, that is for ever."""
        if self._leases:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def close(self) -> None:
        """Answer everyone who still waits, and let go of the graphs."""
        self.loaded.close()

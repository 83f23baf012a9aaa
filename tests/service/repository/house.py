"""A repository without disks or graphs: versions that are put there by hand, and loads that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service import bundle
from service.bundle import Manifest
from service.config import Repository
from service.domain import ModelId, Word
from service.observability.metrics import Metrics
from service.repository.changes import Changes
from service.repository.errors import LoadError
from service.repository.live import LiveVersion, LoadedVersion
from service.repository.registry import Registry
from service.repository.reloader import Reloader
from service.repository.rules import Places
from service.repository.store import EVERYWHERE, Listing, StoreError

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
TASKS: dict[str, Any] = {
    "predict": bundle.Predict(),
    "score": bundle.Score(
        signature="serving_default",
        input="x",
        features=("a", "b"),
        score="y",
        is_anomaly="y",
        threshold="y",
        contributions="y",
    ),
    "translate": bundle.Translate(
        encode="serving_default",
        source="x",
        step=bundle.StepGraph(signature="serving_default", tokens="x", logits="y", state=()),
        source_tokenizer=bundle.Tokenizer(kind="characters", file="vocabulary.json"),
        target_tokenizer=bundle.Tokenizer(kind="characters", file="vocabulary.json"),
        source_language="English",
        target_language="French",
        vocabulary_size=3,
        start_id=1,
        end_id=2,
        pad_id=0,
        max_source_tokens=8,
        max_new_tokens=8,
    ),
    "generate": bundle.Generate(
        step=bundle.StepGraph(signature="serving_default", tokens="x", logits="y", state=()),
        tokenizer=bundle.Tokenizer(kind="characters", file="vocabulary.json"),
        vocabulary_size=3,
        max_prompt_tokens=8,
        max_new_tokens=8,
    ),
}


def manifest(model: ModelId, word: Word = "predict") -> Manifest:
    """A contract without files."""
    x = bundle.Tensor(name="x", dtype="float32", shape=("batch", 2))
    y = bundle.Tensor(name="y", dtype="float32", shape=("batch", 2))
    return Manifest(
        name=model.name,
        version=model.version,
        created=WHEN,
        task=TASKS[word],
        default_signature="serving_default",
        signatures={
            "serving_default": bundle.Signature(
                file="model.onnx", saved_model_signature="", inputs=(x,), outputs=(y,)
            )
        },
        metrics={"accuracy": 0.5},
        parity={"serving_default": bundle.Parity(max_relative=1e-6, tolerance=1e-4, cases=3, ragged=False)},
        golden=(),
        provenance=bundle.Provenance(
            job="test",
            profile="quick",
            revision="",
            command="",
            seed=0,
            data="",
            started=WHEN,
            seconds=0.0,
            libraries={},
        ),
        files={"model.onnx": bundle.File(sha256="", bytes=0)},
    )


@dataclass(eq=False)
class Closing:
    """Remembers that it was closed."""

    closed: bool = False

    def close(self) -> None:
        """Close."""
        assert not self.closed, "a version is closed once"
        self.closed = True


def live(
    name: str = "a",
    version: int = 1,
    word: Word = "predict",
    metrics: Metrics | None = None,
    task: Any = None,
) -> LiveVersion:
    """A live version whose task is `task`."""
    return LiveVersion(loaded(ModelId(name, version), word, metrics or Metrics(), task=task))


def loaded(
    model: ModelId, word: Word, metrics: Metrics, closing: Closing | None = None, task: Any = None
) -> LoadedVersion:
    """A loaded version."""
    return LoadedVersion(
        model=model,
        manifest=manifest(model, word),
        task=task,
        predict=task,
        recorder=metrics.version(model),
        close=(closing or Closing()).close,
    )


@dataclass
class FakeStore:
    """Holds what a test puts there."""

    versions: dict[ModelId, Hashable] = field(default_factory=dict)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    error: str = ""
    places: Places = EVERYWHERE
    absent: set[ModelId] = field(default_factory=set)
    unreachable: bool = False
    whole: bool = True
    prepared: tuple[tuple[ModelId, ...], frozenset[ModelId]] = ((), frozenset())
    freshened: int = 0
    refused: dict[ModelId, LoadError] = field(default_factory=dict)
    closed: bool = False

    def scan(self, places: Places = EVERYWHERE) -> Listing:
        """Return what is there."""
        self.places = places
        if self.error:
            raise StoreError(self.error)
        return Listing(
            dict(self.versions),
            {name: dict(each) for name, each in self.labels.items()},
            absent=frozenset(self.absent),
            unreachable=self.unreachable,
            whole=self.whole,
        )

    def prepare(self, load: Sequence[ModelId], live: Collection[ModelId]) -> None:
        """Remember what is wanted."""
        self.prepared = tuple(load), frozenset(live)

    def freshen(self) -> None:
        """Count how often that was asked for."""
        self.freshened += 1

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def directory(self, model: ModelId) -> Path:
        """Return a path that is never opened."""
        if model in self.refused:
            raise self.refused[model]
        return Path(model.name) / str(model.version)


@dataclass
class FakeLoader:
    """Loads what is not in `bad`; remembers each load and what it made."""

    metrics: Metrics
    bad: dict[ModelId, Exception] = field(default_factory=dict)
    loads: list[ModelId] = field(default_factory=list)
    made: list[tuple[ModelId, Closing]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def load(self, model: ModelId, directory: Path) -> LoadedVersion:
        """Return a loaded version, or fail as told."""
        assert directory == Path(model.name) / str(model.version)
        self.loads.append(model)
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if model in self.bad:
            raise self.bad[model]
        closing = Closing()
        self.made.append((model, closing))
        return loaded(model, "predict", self.metrics, closing)

    def close(self) -> None:
        """Load no more."""
        self.closed = True


class House:
    """A reloader over fakes, driven tick by tick."""

    def __init__(self, settings: Repository | None = None) -> None:
        self.changes = Changes()
        self.metrics = Metrics()
        self.registry = Registry(self.changes)
        self.store = FakeStore()
        self.loader = FakeLoader(self.metrics)
        self.reloader = Reloader(
            self.store, self.loader, self.registry, self.metrics, settings or Repository()
        )

    async def settle(self) -> None:
        """Tick until nothing is left to do, and let drained versions close."""
        for _ in range(50):
            if not await self.reloader.tick():
                break
        else:
            raise AssertionError("the reloader does not come to rest")
        for _ in range(5):
            await asyncio.sleep(0)

    def states(self) -> dict[ModelId, str]:
        """Return the state of every known version."""
        return {status.model: status.state for status in self.registry.statuses()}

    def live(self) -> set[ModelId]:
        """Return the live versions."""
        return {version.model for version in self.registry.live()}

    def refuse(self, model: ModelId, reason: str = "it is broken") -> None:
        """Let the next loads of a version fail."""
        self.loader.bad[model] = LoadError(reason)

"""A gateway that answers without models, for tests of the wires: it remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from service import bundle
from service.bundle import Manifest
from service.config import Secret
from service.domain import (
    Call,
    ClassifyAnswer,
    ClassifyRequest,
    Contribution,
    GenerateAnswer,
    GenerateRequest,
    LabelScore,
    ModelId,
    ModelRef,
    ModelSummary,
    PredictAnswer,
    PredictRequest,
    RowScore,
    ScoreAnswer,
    ScoreRequest,
    TextChunk,
    Timing,
    TranslateAnswer,
    TranslateRequest,
    Translation,
    VersionStatus,
)
from service.errors import NotFound
from service.gateway import Admin
from service.observability.tally import Tally
from service.repository.changes import Changes
from service.repository.rules import Rules

MODEL = ModelId("fake", 3)
TIMING = Timing(queue_s=0.0025, run_s=0.01, batch_rows=7, reason="full", padding=0.5)


def manifest() -> Manifest:
    """A classifier of two features."""
    tensors = bundle.Tensor(name="x", dtype="float32", shape=("batch", 2))
    probabilities = bundle.Tensor(name="p", dtype="float32", shape=("batch", 2))
    return Manifest(
        name="fake",
        version=3,
        created=datetime(2026, 1, 2, tzinfo=UTC),
        task=bundle.Classify(
            signature="serving_default",
            input="x",
            probabilities="p",
            labels=("no", "yes"),
            accepts=bundle.FeatureInput(names=("height", "width")),
        ),
        default_signature="serving_default",
        signatures={
            "serving_default": bundle.Signature(
                file="model.onnx",
                saved_model_signature="serving_default",
                inputs=(tensors,),
                outputs=(probabilities,),
            )
        },
        metrics={"accuracy": 0.99},
        parity={"serving_default": bundle.Parity(max_relative=1e-6, tolerance=1e-4, cases=4, ragged=False)},
        golden=(),
        provenance=bundle.Provenance(
            job="fake",
            profile="quick",
            revision="r",
            command="c",
            seed=1,
            data="d",
            started=datetime(2026, 1, 1, tzinfo=UTC),
            seconds=1.0,
            libraries={},
        ),
        files={"model.onnx": bundle.File(sha256="0" * 64, bytes=1)},
    )


KEY = "correct-horse-battery"
BEARER = f"Bearer {KEY}"


class FakeControl:
    """Has the methods of `service.repository.control.Control`: remembers what it was told, or fails with `fail`."""

    def __init__(self, states: tuple[VersionStatus, ...]) -> None:
        self.rules = Rules()
        self.told: list[tuple[Any, ...]] = []
        self.deadline_at_s = 0.0
        self.fail: Exception | None = None
        self._states = states

    async def _tell(self, *told: object) -> tuple[VersionStatus, ...]:
        self.told.append(told)
        if self.fail is not None:
            raise self.fail
        return self._states

    async def load(self, name: str, deadline_at_s: float) -> tuple[VersionStatus, ...]:
        self.deadline_at_s = deadline_at_s
        return await self._tell("load", name)

    async def unload(self, name: str, deadline_at_s: float) -> tuple[VersionStatus, ...]:
        return await self._tell("unload", name)

    async def set_label(
        self, name: str, label: str, version: int, deadline_at_s: float
    ) -> tuple[VersionStatus, ...]:
        return await self._tell("set_label", name, label, version)

    async def remove_label(self, name: str, label: str, deadline_at_s: float) -> tuple[VersionStatus, ...]:
        return await self._tell("remove_label", name, label)

    async def reload(self, deadline_at_s: float) -> tuple[VersionStatus, ...]:
        return await self._tell("reload")

    async def reconfigure(self, rules: Rules, deadline_at_s: float) -> tuple[VersionStatus, ...]:
        self.rules = rules
        return await self._tell("reconfigure", rules)


class FakeGateway:
    """Has the methods of `service.gateway.Gateway`. Admin calls are off until `switch_admin_on`; the key is `KEY`.

    `fail` is raised by every word while it is set; a stream raises `fail_after` when `chunks` are through.
    While `hold` is set to an event, words wait for it; `closed_streams` and `cancelled` count who left.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[ModelRef, Any, Call]] = []
        self.fail: Exception | None = None
        self.fail_after: Exception | None = None
        self.chunks: tuple[str, ...] = ("one ", "two ", "three")
        self.outputs: dict[str, np.ndarray] = {"y": np.array([[0.1, 0.25]], np.float32)}
        self.hold: asyncio.Event | None = None
        self.hold_stream: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.changes = Changes()
        self.draining = False
        self.is_ready = True
        self.tally = Tally()
        self.states = (
            VersionStatus(MODEL, "available", labels=("stable",)),
            VersionStatus(ModelId("fake", 4), "failed", reason="checksum"),
            VersionStatus(ModelId("broken", 1), "failed", reason="file 'model.onnx' is missing"),
        )
        self.controlled = FakeControl(self.states[:2])
        self._admin = Admin()

    async def _enter(self, ref: ModelRef, request: object, call: Call) -> None:
        self.asked.append((ref, request, call))
        if self.fail is not None:
            raise self.fail
        if self.hold is not None:
            self.entered.set()
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.left.set()
                raise

    async def classify(self, ref: ModelRef, request: ClassifyRequest, call: Call) -> ClassifyAnswer:
        await self._enter(ref, request, call)
        return ClassifyAnswer(MODEL, (LabelScore("yes", 0.75), LabelScore("no", 0.25)), TIMING)

    async def generate(self, ref: ModelRef, request: GenerateRequest, call: Call) -> GenerateAnswer:
        await self._enter(ref, request, call)
        return GenerateAnswer(MODEL, "".join(self.chunks), "length", 2, len(self.chunks), TIMING)

    async def generate_stream(
        self, ref: ModelRef, request: GenerateRequest, call: Call
    ) -> AsyncGenerator[TextChunk, None]:
        await self._enter(ref, request, call)
        try:
            for index, text in enumerate(self.chunks):
                last = index == len(self.chunks) - 1 and self.fail_after is None
                yield TextChunk(
                    MODEL,
                    text,
                    1,
                    "length" if last else None,
                    2 if last else 0,
                    index + 1 if last else 0,
                    TIMING,
                )
                self.entered.set()
                if self.hold_stream is not None:
                    await self.hold_stream.wait()
            if self.fail_after is not None:
                raise self.fail_after
        finally:
            self.left.set()

    async def translate(self, ref: ModelRef, request: TranslateRequest, call: Call) -> TranslateAnswer:
        await self._enter(ref, request, call)
        found = (Translation(text.upper(), -0.5, "stop", len(text), 2) for text in request.texts)
        return TranslateAnswer(MODEL, tuple(found), TIMING)

    async def score(self, ref: ModelRef, request: ScoreRequest, call: Call) -> ScoreAnswer:
        await self._enter(ref, request, call)
        row = RowScore(2.5, is_anomaly=True, contributions=(Contribution("height", 0.75),))
        return ScoreAnswer(MODEL, 1.5, tuple(row for _ in request.rows), TIMING)

    async def predict(self, ref: ModelRef, request: PredictRequest, call: Call) -> PredictAnswer:
        await self._enter(ref, request, call)
        return PredictAnswer(MODEL, request.signature or "serving_default", self.outputs, TIMING)

    def models(self) -> tuple[ModelSummary, ...]:
        return (ModelSummary("fake", "classify", self.states[:2], {"accuracy": 0.99}, manifest().created),)

    def describe(self, ref: ModelRef) -> tuple[ModelId, Manifest]:
        if ref.name not in {"fake", None}:
            raise NotFound("no model of that name", field="model")
        return MODEL, manifest()

    def tallies(self) -> tuple[tuple[ModelId, Tally], ...]:
        return ((MODEL, self.tally),)

    def switch_admin_on(self) -> None:
        self._admin = Admin(Secret.of(KEY.encode()), self.controlled)

    def control(self, action: str, call: Call) -> Any:
        return self._admin.control(action, call)

    @property
    def has_admin_calls(self) -> bool:
        return self._admin.enabled

    def ready(self) -> bool:
        return self.is_ready and not self.draining

    def statuses(self) -> tuple[VersionStatus, ...]:
        return self.states

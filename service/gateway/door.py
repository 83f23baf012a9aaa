"""The one door: find the model, admit, run, account.

Knows versions, places and deadlines. Knows nothing of wires, tensors or directories.

Promises: at most `max_in_flight` requests are inside, the rest are refused at once; a request whose deadline has
passed does no work; whoever leaves, for whatever reason, frees its place and its hold on the version; nothing
but a ServiceError, or the caller's own cancellation, comes out. Deadlines of requests inside are kept by the
engine, where they wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from service.bundle import Manifest
from service.config import Limits
from service.domain import (
    Call,
    ClassifyAnswer,
    ClassifyRequest,
    GenerateAnswer,
    GenerateRequest,
    ModelId,
    ModelRef,
    ModelSummary,
    PredictAnswer,
    PredictRequest,
    ScoreAnswer,
    ScoreRequest,
    TextChunk,
    TranslateAnswer,
    TranslateRequest,
    VersionStatus,
    Word,
)
from service.errors import Overloaded, ServiceError, TimedOut, Unavailable
from service.gateway.accounts import Accounts, Visit
from service.gateway.admin import Admin
from service.observability import logs, tracing
from service.observability.metrics import Metrics
from service.observability.tally import Tally
from service.repository.changes import Changes
from service.repository.control import Control
from service.repository.live import LiveVersion
from service.repository.registry import Registry

RETRY_AFTER_S = 1.0


class Gateway:
    """What every protocol talks to. Used on one event loop.

    Every word raises Invalid, NotFound, Unsupported, TooLarge, Overloaded, Unavailable, TimedOut and Internal.
    """

    def __init__(
        self,
        registry: Registry,
        changes: Changes,
        metrics: Metrics,
        limits: Limits | None = None,
        *,
        access_log: bool = False,
        admin: Admin | None = None,
    ) -> None:
        self._registry = registry
        self._changes = changes
        self._admin = admin or Admin()
        self._unknown = metrics.unknown
        self._max_in_flight = (limits or Limits()).max_in_flight
        self._accounts = Accounts(logs.get("service.gateway"), access=access_log)
        self._in_flight = 0
        self._empty: asyncio.Event | None = None
        self._draining = False
        self._closed = False
        metrics.watch_in_flight(lambda: self._in_flight)

    async def classify(self, ref: ModelRef, request: ClassifyRequest, call: Call) -> ClassifyAnswer:
        """Return the most probable labels of one input."""
        answer: ClassifyAnswer = await self._answer("classify", ref, request, call)
        return answer

    async def generate(self, ref: ModelRef, request: GenerateRequest, call: Call) -> GenerateAnswer:
        """Return the whole continuation of a prompt."""
        answer: GenerateAnswer = await self._answer("generate", ref, request, call, call.client)
        return answer

    async def translate(self, ref: ModelRef, request: TranslateRequest, call: Call) -> TranslateAnswer:
        """Return a translation of each text."""
        answer: TranslateAnswer = await self._answer("translate", ref, request, call, call.client)
        return answer

    async def score(self, ref: ModelRef, request: ScoreRequest, call: Call) -> ScoreAnswer:
        """Return score and verdict of each row."""
        answer: ScoreAnswer = await self._answer("score", ref, request, call)
        return answer

    async def predict(self, ref: ModelRef, request: PredictRequest, call: Call) -> PredictAnswer:
        """Return the outputs of a signature of any model, whatever its word."""
        answer: PredictAnswer = await self._answer("predict", ref, request, call)
        return answer

    async def generate_stream(
        self, ref: ModelRef, request: GenerateRequest, call: Call
    ) -> AsyncGenerator[TextChunk, None]:
        """Yield a continuation piece by piece; nothing happens before the first piece is asked for.

        Close the generator (`contextlib.aclosing`) to leave early: the slot is free within one step.
        """
        live, task, visit = self._enter("generate", ref, call, time.monotonic())
        last = TextChunk(live.model, "")
        try:
            async with aclosing(task.stream(request, call.deadline_at_s, call.client)) as chunks:
                async for chunk in chunks:
                    self._accounts.streamed(visit, time.monotonic(), chunk.tokens)
                    last = chunk
                    yield chunk
        except BaseException as error:
            seen = self._accounts.failed(visit, time.monotonic(), error)
            if seen is error:
                raise
            raise seen from error
        else:
            self._accounts.answered(visit, time.monotonic(), last.timing, last)
        finally:
            self._leave(live)

    def models(self) -> tuple[ModelSummary, ...]:
        """Return every model that answers, by name."""
        return self._registry.summaries()

    def describe(self, ref: ModelRef) -> tuple[ModelId, Manifest]:
        """Return which version `ref` means and its manifest; raises Invalid, NotFound and Unavailable."""
        found = self._registry.find(ref)
        return found.model, found.loaded.manifest

    def statuses(self) -> tuple[VersionStatus, ...]:
        """Return where every version on disk stands."""
        return self._registry.statuses()

    def tallies(self) -> tuple[tuple[ModelId, Tally], ...]:
        """Return what was counted for each live version, by name and number."""
        return tuple((each.model, each.recorder.tally) for each in self._registry.live())

    def ready(self) -> bool:
        """Say whether to send requests here: the first look at the models is dealt with, and not draining.

        A version that failed does not make the gateway unready, and neither does an empty directory: the
        gateway still answers for every other model, and a bad version on shared storage must not take every
        replica out of service at once. Where each version stands is in `statuses`.
        """
        return self._registry.scanned and not self._draining

    def control(self, action: str, call: Call) -> Control:
        """Return what changes the repository, to a caller who may; `action` is for the log.

        Raises Forbidden if admin calls are switched off, Unauthenticated without the key, and Unavailable.
        """
        control = self._admin.control(action, call)
        if self._closed:
            raise Unavailable("the gateway is going down", retry_after_s=RETRY_AFTER_S)
        return control

    @property
    def has_admin_calls(self) -> bool:
        """Whether admin calls are switched on."""
        return self._admin.enabled

    @property
    def draining(self) -> bool:
        """Whether the gateway is going down."""
        return self._draining

    @property
    def in_flight(self) -> int:
        """How many requests are inside."""
        return self._in_flight

    @property
    def changes(self) -> Changes:
        """Tells when readiness, a status or a label changes."""
        return self._changes

    def drain(self) -> None:
        """Become unready while still letting requests in, so that load balancers notice first; idempotent."""
        if not self._draining:
            self._draining = True
            self._changes.notify()

    def close(self) -> None:
        """Let nobody in any more; those inside finish. Idempotent."""
        self.drain()
        self._closed = True

    async def empty(self) -> None:
        """Return when nobody is inside; only of use once closed."""
        if self._in_flight:
            self._empty = asyncio.Event()
            await self._empty.wait()

    async def _answer(self, word: Word, ref: ModelRef, request: object, call: Call, *client: str) -> Any:
        live, task, visit = self._enter(word, ref, call, time.monotonic())
        try:
            answer = await task.run(request, call.deadline_at_s, *client)
        except BaseException as error:
            seen = self._accounts.failed(visit, time.monotonic(), error)
            if seen is error:
                raise
            raise seen from error
        else:
            self._accounts.answered(visit, time.monotonic(), answer.timing, answer)
            return answer
        finally:
            self._leave(live)

    def _enter(self, word: Word, ref: ModelRef, call: Call, now_s: float) -> tuple[LiveVersion, Any, Visit]:
        visit = Visit(word, call, self._unknown, None, now_s, trace=tracing.current())
        try:
            live = self._registry.find(ref, word)
            visit.recorder, visit.model = live.recorder, live.model
            task = live.task(word, call.variant)
            self._admit(call, now_s)
        except ServiceError as error:
            self._accounts.failed(visit, now_s, error)
            raise
        live.acquire()
        self._in_flight += 1
        return live, task, visit

    def _admit(self, call: Call, now_s: float) -> None:
        if self._closed:
            raise Unavailable("the gateway is going down", retry_after_s=RETRY_AFTER_S)
        if call.deadline_at_s <= now_s:
            raise TimedOut("the deadline has passed")
        if self._in_flight >= self._max_in_flight:
            raise Overloaded("every place is taken", retry_after_s=RETRY_AFTER_S)

    def _leave(self, live: LiveVersion) -> None:
        live.release()
        self._in_flight -= 1
        if self._in_flight == 0 and self._empty is not None:
            self._empty.set()

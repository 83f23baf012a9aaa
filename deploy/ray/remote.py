"""Stand in, at an ingress, for versions that live in the replicas of their model's deployment.

To the ingress's gateway this is a loader of versions and their tasks. Knows handles and what may go wrong between
processes. A replica that dies takes nothing with it but time: what it was asked is asked again elsewhere, as
long as the caller has received nothing and its deadline has not passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from service.bundle import Manifest
from service.domain import GenerateRequest, ModelId, TextChunk, Word
from service.errors import Overloaded, ServiceError, TimedOut, Unavailable
from service.observability.metrics import Metrics
from service.repository.errors import LoadError
from service.repository.live import LoadedVersion

GONE = (RayActorError, DeploymentUnavailableError)
"""What Ray raises when whoever was asked is not there: died, or cannot be reached."""
PAUSE_S = 0.1
RETRY_AFTER_S = 1.0


class RemoteLoader:
    """Makes versions whose tasks ask the deployment of their model, one handle for each name."""

    def __init__(self, handles: Mapping[str, DeploymentHandle], metrics: Metrics, wait_s: float) -> None:
        self._handles = handles
        self._metrics = metrics
        self._wait_s = wait_s
        self.unanswered: set[str] = set()
        """Models whose deployment had no replica that answered in time: to be asked again."""

    async def load(self, model: ModelId, directory: Path) -> LoadedVersion:  # noqa: ARG002  # Loader
        """Return the version as soon as a replica has it; raises LoadError."""
        handle = self._handles.get(model.name)
        if handle is None:
            raise LoadError("no deployment serves this model: deploy the application again")
        try:
            manifest = await _asked(lambda: handle.manifest.remote(model), time.monotonic() + self._wait_s)
        except (TimedOut, Unavailable) as error:
            self.unanswered.add(model.name)
            raise LoadError("no replica of the model's deployment answers") from error
        self.unanswered.discard(model.name)
        if not isinstance(manifest, Manifest):
            raise LoadError(manifest)
        word = manifest.task.word
        return LoadedVersion(
            model=model,
            manifest=manifest,
            task=RemoteTask(handle, model, word),
            predict=RemoteTask(handle, model, "predict"),
            recorder=self._metrics.version(model),
            close=_nothing,
        )

    def close(self) -> None:
        """Nothing is open here."""


class RemoteTask:
    """Answers a word for one version by asking a replica of its model."""

    def __init__(self, handle: DeploymentHandle, model: ModelId, word: Word) -> None:
        self._handle = handle
        self._model = model
        self._word = word

    async def run(self, request: Any, deadline_at_s: float, client: str = "") -> Any:
        """Answer one request; raises ServiceError."""
        answer = await _asked(
            lambda: self._handle.run.remote(
                self._word, self._model, request, deadline_at_s - time.monotonic(), client
            ),
            deadline_at_s,
        )
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    async def stream(
        self, request: GenerateRequest, deadline_at_s: float, client: str = ""
    ) -> AsyncGenerator[TextChunk, None]:
        """Yield a continuation piece by piece; raises ServiceError, Unavailable if its replica dies midway."""
        streaming = self._handle.options(stream=True)

        async def begin() -> tuple[Any, Any]:
            pieces = streaming.stream.remote(self._model, request, deadline_at_s - time.monotonic(), client)
            return pieces, await _or_cancel(pieces, anext(pieces, None))

        pieces, piece = await _asked(begin, deadline_at_s)
        try:
            while piece is not None:
                if isinstance(piece, ServiceError):
                    raise piece
                yield piece
                piece = await anext(pieces, None)
        except GONE as error:
            raise Unavailable(
                "the replica that made this text is gone", retry_after_s=RETRY_AFTER_S
            ) from error
        finally:
            pieces.cancel()


async def _asked(ask: Callable[[], Awaitable[Any]], deadline_at_s: float) -> Any:
    """Return what `ask` gives, asked again while whoever was asked turns out to be gone.

    Raises TimedOut, Overloaded if Serve's own queue is full, and Unavailable if nobody was there in time.
    """
    gone: Exception | None = None
    try:
        async with asyncio.timeout(max(0.0, deadline_at_s - time.monotonic())):
            while True:
                response = ask()
                try:
                    return await _or_cancel(response, response)
                except GONE as error:
                    gone = error
                    await asyncio.sleep(PAUSE_S)
    except TimeoutError as error:
        if gone is not None:
            raise Unavailable("no replica of this model answers", retry_after_s=RETRY_AFTER_S) from gone
        raise TimedOut("the deadline passed before a replica had answered") from error
    except BackPressureError as error:
        raise Overloaded("every place of this model is taken", retry_after_s=RETRY_AFTER_S) from error


async def _or_cancel(response: Any, answer: Awaitable[Any]) -> Any:
    """Return `answer`; if nobody waits for it any more, tell the replica."""
    try:
        return await answer
    except asyncio.CancelledError:
        if hasattr(response, "cancel"):
            response.cancel()
        raise
    except TaskCancelledError as error:
        raise asyncio.CancelledError from error


def _nothing() -> None:
    pass

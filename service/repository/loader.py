"""Turn a version directory into something that answers: verify, open, check, ask, warm up, wire.

Knows bundles and the engine. Knows nothing of what is live; a failure leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from service.bundle import (
    MANIFEST,
    BundleError,
    Generate,
    Manifest,
    Translate,
    read,
    verify_files,
)
from service.config import Engine
from service.domain import ModelId
from service.engine.batcher import Batcher, BatchRecord
from service.engine.batching import BatchLimits
from service.engine.contracts import Session
from service.engine.generator import GenerationLimits, Generator
from service.engine.runs import StepRecord
from service.engine.session import Placement, SessionError, open_session
from service.observability import tracing
from service.observability.metrics import Metrics
from service.observability.tracing import NULL_TRACER, Batch, Trace, Tracer, Wait
from service.repository import golden, inspection
from service.repository.errors import GraphError, LoadError
from service.repository.huggingface.opening import open_version
from service.repository.live import LoadedVersion
from service.tasks.build import Task, build_predict, build_task

OpenSession = Callable[[Path], Session]


class BundleLoader:
    """Loads bundles, and graphs without a manifest.

    What takes long happens in a thread of its own, so that the event loop keeps serving. A model that
    `may_be_renamed` is served by the name that it is loaded by, whatever its manifest calls it.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        *,
        ask_golden: bool = True,
        open_graph: OpenSession | None = None,
        tracer: Tracer = NULL_TRACER,
        may_be_renamed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._may_be_renamed = may_be_renamed
        self._engine = engine
        self._metrics = metrics
        self._tracer = tracer
        self._ask_golden = ask_golden
        placement = Placement(engine.device, engine.threads)
        self._open_graph: OpenSession = open_graph or (lambda path: open_session(path, placement))
        recorded = replace(placement, records=engine.cuda_graphs)
        self._open_step: OpenSession = open_graph or (lambda path: open_session(path, recorded))
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")

    async def load(self, model: ModelId, directory: Path) -> LoadedVersion:
        """Return the loaded version; raises LoadError."""
        loop = asyncio.get_running_loop()
        manifest, sessions = await loop.run_in_executor(self._thread, self._open, model, directory)
        with ExitStack() as closing:
            runners = {name: self._batcher(model, manifest, name, each) for name, each in sessions.items()}
            for batcher in runners.values():
                closing.callback(batcher.close)
            generator = self._generator(model, manifest, sessions)
            if generator is not None:
                closing.callback(generator.close)
            task, predict = await loop.run_in_executor(
                self._thread, _build, manifest, runners, generator, directory
            )
            # Only now: until it is whole, another copy of this version may be live and be asked.
            self._watch(model, runners, generator)
            return LoadedVersion(
                model=model,
                manifest=manifest,
                task=task,
                predict=predict,
                recorder=self._metrics.version(model),
                close=closing.pop_all().close,
            )

    def close(self) -> None:
        """Load no more; a load in progress ends unheard."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self, model: ModelId, directory: Path) -> tuple[Manifest, dict[str, Session]]:
        try:
            if not (directory / MANIFEST).exists():
                return open_version(model, directory, self._open_graph)
            manifest = _read(model, directory, renamed=self._may_be_renamed(model.name))
            sessions: dict[str, Session] = {}
            for name, signature in manifest.signatures.items():
                steps = (
                    isinstance(manifest.task, Generate | Translate) and name == manifest.task.step.signature
                )
                opens = self._open_step if steps else self._open_graph
                sessions[name] = opens(directory / signature.file)
                inspection.check(signature, sessions[name])
        except SessionError as error:
            raise GraphError(str(error)) from error
        except BundleError as error:
            raise LoadError(str(error)) from error
        except OSError as error:
            raise LoadError(f"a file cannot be read: {error.strerror or 'unknown reason'}") from error
        if self._ask_golden:
            for request in manifest.golden:
                signature = manifest.signatures[request.signature]
                golden.ask(
                    directory, request, signature, sessions[request.signature], self._max_rows(manifest)
                )
        return manifest, sessions

    def _max_rows(self, manifest: Manifest) -> int:
        return self._engine.max_rows or manifest.batching.max_rows

    def _batcher(self, model: ModelId, manifest: Manifest, name: str, session: Session) -> Batcher:
        engine = self._engine
        recorder = self._metrics.graph(model, name)
        limits = BatchLimits(
            max_rows=self._max_rows(manifest),
            max_delay_s=engine.max_delay_s,
            max_queued=engine.max_queued,
            max_queued_bytes=engine.max_queued_bytes,
            inline_bound_s=engine.inline_bound_s,
        )

        def record(batch: BatchRecord) -> None:
            waits = _waits(batch) if batch.members else ()
            recorder.ran(
                batch.rows,
                batch.run_s,
                batch.padding,
                batch.reason,
                failed=batch.failed,
                exemplar=waits[0].trace.exemplar if waits else None,
            )
            if waits:
                self._tracer.ran(_traced(model, name, batch, waits))

        return Batcher(
            session,
            manifest.signatures[name],
            limits,
            on_batch=record,
            origin=tracing.current_if_sampled if self._tracer.enabled else None,
        )

    def _generator(
        self, model: ModelId, manifest: Manifest, sessions: Mapping[str, Session]
    ) -> Generator | None:
        task = manifest.task
        if not isinstance(task, Generate | Translate):
            return None
        name = task.step.signature
        recorder = self._metrics.graph(model, name)

        def record(step: StepRecord) -> None:
            recorder.stepped(step.rows, step.run_s, step.loop_s, failed=step.failed)

        return Generator(
            sessions[name],
            task.step,
            manifest.signatures[name],
            GenerationLimits(
                slots=self._engine.slots,
                max_waiting=self._engine.max_queued,
                inline_bound_s=self._engine.inline_bound_s,
                cache_bytes=self._engine.cache_bytes,
                stall_s=self._engine.stall_s,
            ),
            end_id=task.end_ids,
            on_step=record,
            on_yield=self._metrics.version(model).preempted,
        )

    def _watch(self, model: ModelId, runners: Mapping[str, Batcher], generator: Generator | None) -> None:
        for name, batcher in runners.items():
            self._metrics.watch_queue(model, name, partial(getattr, batcher, "queued"))
        if generator is not None:
            self._metrics.watch_generator(model, generator)


def _waits(batch: BatchRecord) -> tuple[Wait, ...]:
    return tuple(Wait(cast("Trace", each.origin), each.arrived_at_s) for each in batch.members)


def _traced(model: ModelId, signature: str, batch: BatchRecord, waits: tuple[Wait, ...]) -> Batch:
    return Batch(
        model=model,
        signature=signature,
        started_at_s=batch.started_at_s,
        ended_at_s=time.monotonic(),
        run_s=batch.run_s,
        requests=batch.requests,
        rows=batch.rows,
        padding=batch.padding,
        reason=batch.reason,
        failed=batch.failed,
        waits=waits,
    )


def _read(model: ModelId, directory: Path, *, renamed: bool) -> Manifest:
    """Return the manifest of a version whose files are all what it promises."""
    manifest = read(directory)
    if renamed:
        manifest = manifest.model_copy(update={"name": model.name})
    if (manifest.name, manifest.version) != (model.name, model.version):
        raise LoadError(
            f"{MANIFEST} is of '{manifest.name}' version {manifest.version},"
            f" and lies where '{model.name}' version {model.version} belongs"
        )
    verify_files(directory, manifest.files)
    for request in manifest.golden:
        if request.file not in manifest.files:
            raise LoadError(f"golden request '{request.file}' is not among the files")
        if request.signature not in manifest.signatures:
            raise LoadError(f"golden request of signature '{request.signature}', which there is not")
    return manifest


def _build(
    manifest: Manifest, runners: Mapping[str, Batcher], generator: Generator | None, directory: Path
) -> tuple[Task, Task]:
    """Return what answers the version's own word, and what answers `predict`."""
    try:
        task = build_task(manifest, runners, generator, directory)
        return task, task if manifest.task.word == "predict" else build_predict(manifest, runners, directory)
    except BundleError as error:
        raise LoadError(str(error)) from error

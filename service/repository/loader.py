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

from service.bundle import BundleError, Generate, Manifest, Translate
from service.config import Engine
from service.domain import ModelId
from service.engine.batcher import Batcher, BatchRecord
from service.engine.batching import BatchLimits
from service.engine.contracts import Session
from service.engine.generator import GenerationLimits, Generator
from service.engine.runs import StepRecord
from service.engine.session import Placement, open_session
from service.observability import tracing
from service.observability.metrics import Metrics
from service.observability.tracing import NULL_TRACER, Batch, Trace, Tracer, Wait
from service.repository import variants
from service.repository.errors import LoadError
from service.repository.live import Answering, LoadedVersion
from service.repository.opening import Opener, OpenSession, step
from service.repository.variants import Choice, GraphKey
from service.tasks.build import build_predict, build_task


class BundleLoader:
    """Loads bundles, and graphs without a manifest.

    What takes long happens in a thread of its own, so that the event loop keeps serving. A model that
    `may_be_renamed` is served by the name that it is loaded by, whatever its manifest calls it.
    """

    def __init__(  # noqa: PLR0913  # all but the first two have defaults
        self,
        engine: Engine,
        metrics: Metrics,
        *,
        ask_golden: bool = True,
        open_graph: OpenSession | None = None,
        tracer: Tracer = NULL_TRACER,
        may_be_renamed: Callable[[str], bool] = lambda _: False,
        choice: Choice | None = None,
    ) -> None:
        self._choice = choice or Choice()
        self._engine = engine
        self._metrics = metrics
        self._tracer = tracer
        placement = Placement(engine.device, engine.threads)
        recorded = replace(placement, records=engine.cuda_graphs)
        self._opener = Opener(
            open_graph=open_graph or (lambda path: open_session(path, placement)),
            open_step=open_graph or (lambda path: open_session(path, recorded)),
            choice=self._choice,
            max_rows=engine.max_rows,
            ask_golden=ask_golden,
            may_be_renamed=may_be_renamed,
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")

    async def load(self, model: ModelId, directory: Path) -> LoadedVersion:
        """Return the loaded version; raises LoadError."""
        loop = asyncio.get_running_loop()
        manifest, sessions = await loop.run_in_executor(self._thread, self._opener.open, model, directory)
        with ExitStack() as closing:
            runners = {key: self._batcher(model, manifest, key, each) for key, each in sessions.items()}
            for batcher in runners.values():
                closing.callback(batcher.close)
            generators = self._generators(model, manifest, sessions)
            for generator in generators.values():
                closing.callback(generator.close)
            answering = {
                variant: await loop.run_in_executor(
                    self._thread, _answering, manifest, variant, runners, generators, directory
                )
                for variant in self._choice.of(manifest)
            }
            # Only now: until it is whole, another copy of this version may be live and be asked.
            self._watch(model, runners, generators)
            usual = next(iter(answering.values()))
            return LoadedVersion(
                model=model,
                manifest=manifest,
                task=usual.task,
                predict=usual.predict,
                recorder=self._metrics.version(model),
                close=closing.pop_all().close,
                variants=answering,
            )

    def close(self) -> None:
        """Load no more; a load in progress ends unheard."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _max_rows(self, manifest: Manifest) -> int:
        return self._engine.max_rows or manifest.batching.max_rows

    def _batcher(self, model: ModelId, manifest: Manifest, key: GraphKey, session: Session) -> Batcher:
        engine = self._engine
        recorder = self._metrics.graph(model, key.label)
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
                self._tracer.ran(_traced(model, key.label, batch, waits))

        return Batcher(
            session,
            manifest.signatures[key.signature],
            limits,
            on_batch=record,
            origin=tracing.current_if_sampled if self._tracer.enabled else None,
        )

    def _generators(
        self, model: ModelId, manifest: Manifest, sessions: Mapping[GraphKey, Session]
    ) -> dict[GraphKey, Generator]:
        task = manifest.task
        if not isinstance(task, Generate | Translate):
            return {}
        return {
            key: self._generator(model, manifest, key, session)
            for key, session in sessions.items()
            if key.signature == task.step.signature
        }

    def _generator(self, model: ModelId, manifest: Manifest, key: GraphKey, session: Session) -> Generator:
        task = manifest.task
        assert isinstance(task, Generate | Translate), "others have no step graph"
        recorder = self._metrics.graph(model, key.label)

        def record(step: StepRecord) -> None:
            recorder.stepped(step.rows, step.run_s, step.loop_s, failed=step.failed)

        return Generator(
            session,
            task.step,
            manifest.signatures[key.signature],
            GenerationLimits(
                slots=self._engine.slots,
                max_waiting=self._engine.max_queued,
                inline_bound_s=self._engine.step_inline_bound_s,
                cache_bytes=self._engine.cache_bytes,
                stall_s=self._engine.stall_s,
            ),
            end_id=task.end_ids,
            on_step=record,
            on_yield=self._metrics.version(model).preempted,
        )

    def _watch(
        self, model: ModelId, runners: Mapping[GraphKey, Batcher], generators: Mapping[GraphKey, Generator]
    ) -> None:
        for key, batcher in runners.items():
            self._metrics.watch_queue(model, key.label, partial(getattr, batcher, "queued"))
        if generators:
            self._metrics.watch_generator(model, *generators.values())


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


def _answering(
    manifest: Manifest,
    variant: str,
    runners: Mapping[GraphKey, Batcher],
    generators: Mapping[GraphKey, Generator],
    directory: Path,
) -> Answering:
    """Return what answers with the graphs of a variant."""
    keys = variants.graphs(manifest, variant)
    chosen = {name: runners[key] for name, key in keys.items()}
    name = step(manifest)
    generator = None if name is None else generators[keys[name]]
    try:
        task = build_task(manifest, chosen, generator, directory)
    except BundleError as error:
        raise LoadError(str(error)) from error
    return Answering(task, task if manifest.task.word == "predict" else build_predict(manifest, chosen))

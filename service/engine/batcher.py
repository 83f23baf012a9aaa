"""Run one signature for many callers: take what is queued when the session is free.

The thin loop around `batching.plan`: it waits, runs and delivers. Knows nothing of what the tensors mean.

Promises: what waits is bounded; a passed deadline never reaches the session; a caller who left is skipped; a
failed batch is tried again request by request, so that one bad request does not fail its neighbours; closing
answers everyone who still waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from service.bundle import Signature
from service.domain import Array, DispatchReason, Tensors, Timing
from service.engine.batching import BatchLimits, plan
from service.engine.contracts import Answer, Session
from service.engine.cost import RunCost
from service.engine.feeds import FeedCheck, Request
from service.engine.merging import Merger
from service.errors import Internal, Overloaded, ServiceError, TimedOut, Unavailable

RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """A request in a run: what `origin` said of it when it came, and when that was."""

    origin: object
    arrived_at_s: float


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What one run was, for metrics: requests and rows in it, how long, how padded, and why then.

    `members` are those of its requests that have an origin.
    """

    requests: int
    rows: int
    run_s: float
    padding: float
    reason: DispatchReason
    failed: bool
    started_at_s: float = 0.0
    members: tuple[Member, ...] = ()


@dataclass(slots=True, eq=False)
class _Entry:
    request: Request
    key: Hashable
    rows: int
    length: int
    arrived_at_s: float
    deadline_at_s: float
    answer: asyncio.Future[Answer] = field(repr=False)
    origin: object = None


@dataclass(frozen=True, slots=True)
class _Run:
    outputs: list[dict[str, Array]]
    rows: int
    padding: float
    run_s: float


class Batcher:
    """A `contracts.Runner` over one session. Made and used on one event loop.

    A short run is made on the loop itself, because handing it to a thread and back costs about 0.1 ms; a
    longer one in the batcher's own thread. `origin` is asked where each request comes from, for `on_batch` alone.
    """

    def __init__(
        self,
        session: Session,
        signature: Signature,
        limits: BatchLimits,
        *,
        on_batch: Callable[[BatchRecord], None] = lambda _: None,
        origin: Callable[[], object] | None = None,
    ) -> None:
        self._session = session
        self._signature = signature
        self._limits = limits
        self._on_batch = on_batch
        self._origin = origin
        self._check = FeedCheck(signature)
        self._merger = Merger(signature)
        self._cost = RunCost()
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._running: list[_Entry] = []
        self._closed = False
        self._scheduled = False
        self._delay: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batcher")

    @property
    def signature(self) -> Signature:
        """What feeds must look like."""
        return self._signature

    @property
    def queued(self) -> int:
        """How many requests wait now."""
        return len(self._queue)

    async def run(self, feeds: Tensors, outputs: Sequence[str], deadline_at_s: float) -> Answer:
        """Answer one caller (`contracts.Runner.run`)."""
        return await self._enqueue(self._check(feeds, outputs), deadline_at_s).answer

    def close(self) -> None:
        """Refuse new requests and answer everyone who still waits with Unavailable; idempotent.

        A run in progress finishes in its thread and its callers are answered now.
        """
        self._closed = True
        for entry in (*self._queue, *self._running):
            _settle(entry, _unloaded())
        self._queue.clear()
        self._queued_bytes = 0
        for timer in (self._delay, self._alarm):
            if timer is not None:
                timer.cancel()
        self._thread.shutdown(wait=False)

    def _enqueue(self, request: Request, deadline_at_s: float) -> _Entry:
        loop = asyncio.get_running_loop()
        now_s = time.monotonic()
        self._refuse(request, now_s, deadline_at_s)
        answer = loop.create_future()
        length = sum(request.lengths.values())
        entry = _Entry(request, request.key, request.rows, length, now_s, deadline_at_s, answer)
        if self._origin is not None:
            entry.origin = self._origin()
        self._queue.append(entry)
        self._queued_bytes += request.bytes
        self._watch_deadline(loop, deadline_at_s)
        self._schedule(loop)
        return entry

    def _refuse(self, request: Request, now_s: float, deadline_at_s: float) -> None:
        if self._closed:
            raise _unloaded()
        if deadline_at_s <= now_s:
            raise TimedOut("the deadline has passed")
        if self._full(request):
            self._forget_the_gone()  # whoever has left takes no place
        if self._full(request):
            raise Overloaded("the model's queue is full", retry_after_s=RETRY_AFTER_S)

    def _full(self, request: Request) -> bool:
        limits = self._limits
        if len(self._queue) >= limits.max_queued:
            return True
        return self._queued_bytes + request.bytes > limits.max_queued_bytes

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not at once: what the loop has already received gets the chance to join the same batch.
        if not self._scheduled and not self._running:
            self._scheduled = True
            loop.call_soon(self._dispatch, loop)

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        if self._running or self._closed:
            return
        if self._alarm is not None and self._alarm.when() <= time.monotonic():
            self._alarm.cancel()
            self._expire(loop)  # the loop was held up: the alarm is due, and would ring behind this
        self._forget_the_gone()
        decision = plan(self._queue, time.monotonic(), self._limits)
        if self._delay is not None:
            self._delay.cancel()
            self._delay = None
        if decision.wait_s:
            self._delay = loop.call_later(decision.wait_s, self._dispatch, loop)
        if not decision.take:
            return
        batch = self._take(decision.take)
        rows = sum(entry.rows for entry in batch)
        self._running = batch
        started_at_s = time.monotonic()
        if self._cost.predict(rows) < self._limits.inline_bound_s:
            try:
                done: _Run | Exception = self._execute(batch)
            except Exception as error:  # noqa: BLE001  # whatever the runtime raised goes to the callers
                done = error
            self._deliver(loop, batch, decision.reason, started_at_s, done)
            return
        running = loop.run_in_executor(self._thread, self._execute, batch)
        running.add_done_callback(
            lambda future: self._deliver(
                loop, batch, decision.reason, started_at_s, future.exception() or future.result()
            )
        )

    def _execute(self, batch: list[_Entry]) -> _Run:
        requests = [entry.request for entry in batch]
        merged = self._merger.merge(requests)
        started_s = time.perf_counter()
        outputs = self._session.run(merged.feeds, requests[0].outputs)
        run_s = time.perf_counter() - started_s
        return _Run(self._merger.split(outputs, requests), merged.rows, merged.padding, run_s)

    def _deliver(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Entry],
        reason: DispatchReason,
        started_at_s: float,
        done: _Run | BaseException,
    ) -> None:
        self._running = []
        if isinstance(done, _Run):
            self._cost.observe(done.rows, done.run_s)
            self._record(batch, done.rows, done.run_s, done.padding, reason, started_at_s)
            for entry, outputs in zip(batch, done.outputs, strict=True):
                queue_s = started_at_s - entry.arrived_at_s
                timing = Timing(queue_s, done.run_s, done.rows, reason, done.padding)
                _settle(entry, Answer(outputs, timing))
        else:
            self._fail(batch, reason, started_at_s, done)
        if self._queue and not self._closed:
            self._schedule(loop)

    def _fail(
        self,
        batch: list[_Entry],
        reason: DispatchReason,
        started_at_s: float,
        error: BaseException,
    ) -> None:
        rows = sum(entry.rows for entry in batch)
        self._record(batch, rows, time.monotonic() - started_at_s, None, reason, started_at_s)
        if len(batch) == 1 or self._closed:
            for entry in batch:
                failure = Internal("the model failed to run")
                failure.__cause__ = error
                _settle(entry, failure)
            return
        for entry in reversed(batch):
            entry.key = None  # alone from now on: a neighbour may be the reason
            self._queue.appendleft(entry)
            self._queued_bytes += entry.request.bytes

    def _record(
        self,
        batch: list[_Entry],
        rows: int,
        run_s: float,
        padding: float | None,
        reason: DispatchReason,
        started_at_s: float,
    ) -> None:
        """Tell `on_batch` of a run; one that failed has no padding."""
        members: tuple[Member, ...] = ()
        if self._origin is not None:
            members = tuple(Member(each.origin, each.arrived_at_s) for each in batch if each.origin)
        self._on_batch(
            BatchRecord(
                len(batch), rows, run_s, padding or 0.0, reason, padding is None, started_at_s, members
            )
        )

    def _take(self, positions: Sequence[int]) -> list[_Entry]:
        if positions[-1] == len(positions) - 1:
            batch = [self._queue.popleft() for _ in positions]
        else:
            chosen = set(positions)
            entries = list(self._queue)
            batch = [entries[position] for position in positions]
            self._queue = deque(entry for position, entry in enumerate(entries) if position not in chosen)
        self._queued_bytes -= sum(entry.request.bytes for entry in batch)
        return batch

    def _forget_the_gone(self) -> None:
        if any(entry.answer.done() for entry in self._queue):
            self._queue = deque(entry for entry in self._queue if not entry.answer.done())
            self._queued_bytes = sum(entry.request.bytes for entry in self._queue)

    def _watch_deadline(self, loop: asyncio.AbstractEventLoop, deadline_at_s: float) -> None:
        # One timer for the nearest deadline: a timer a request would cost more than the request.
        if self._alarm is None or deadline_at_s < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(deadline_at_s, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        # A timer may fire a clock tick early; treat what is due within it as due.
        now_s = time.monotonic() + 0.001
        for entry in (*self._queue, *self._running):
            if entry.deadline_at_s <= now_s:
                _settle(entry, TimedOut("the deadline passed while the request waited for the model"))
        self._forget_the_gone()
        left = [entry.deadline_at_s for entry in (*self._queue, *self._running) if not entry.answer.done()]
        if left and not self._closed:
            self._watch_deadline(loop, min(left))


def _unloaded() -> ServiceError:
    return Unavailable("the model version has been unloaded", retry_after_s=RETRY_AFTER_S)


def _settle(entry: _Entry, answer: Answer | ServiceError) -> None:
    """Answer a caller, unless it has already gone; the only place that does."""
    if entry.answer.done():
        return
    if isinstance(answer, ServiceError):
        entry.answer.set_exception(answer)
    else:
        entry.answer.set_result(answer)

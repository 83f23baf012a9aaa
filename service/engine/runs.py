"""Make the runs of a step graph over neighbouring slots, and keep account of them.

Knows a session, feeds and times. Knows nothing of sequences or of who waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from service.domain import Array, Tensors
from service.engine.contracts import BindingSession, Held, HoldingSession, Session
from service.engine.cost import RunCost
from service.engine.crew import Crew, cuts
from service.engine.steady import SteadyFeeds
from service.engine.step import StepFeeds

MOST_COPIED_BYTES = 8 * 2**20
"""To copy more takes longer than a short run."""
Rows = Sequence[tuple[int, ...]]
"""The tokens that each row of a run reads."""

Observed = tuple[int, float]
"""How many tokens were fed, and how many seconds it took."""


class StepRecord(NamedTuple):
    """What one run was, for metrics: its rows, the tokens fed, how long the session ran, and how long the loop took
    for everything else since the run before (`loop_s`, other tasks of the event loop left out; None for a run that
    was made beside others).
    """

    rows: int
    tokens: int
    run_s: float
    failed: bool
    loop_s: float | None = 0.0


@dataclass(frozen=True, slots=True)
class ReadRun:
    """What a run gave that was made beside others: its outputs, and what it was fed, `counts` tokens a row; `failed`
    says that it gave none.
    """

    outputs: dict[str, Array]
    failed: bool
    counts: list[int]
    past: int
    run_s: float


@dataclass(frozen=True, slots=True)
class RunBounds:
    """Runs that are expected to take less than `inline_s` are made on the event loop, others in a thread; those that
    read prompts for `beside_s` or more may go on beside the steps, in one of their own.
    """

    inline_s: float
    beside_s: float


class StepRuns:
    """Makes runs on the event loop or in threads, by how long they are expected to take."""

    def __init__(
        self,
        session: Session,
        step: StepFeeds,
        bounds: RunBounds,
        on_step: Callable[[StepRecord], None],
    ) -> None:
        self._session = session
        self._held = step.state.holdable
        self._binds = session if isinstance(session, BindingSession) else None
        self._step = step
        self._bounds = bounds
        self._on_step = on_step
        self._cost = RunCost()
        self._made: tuple[int, int, float, bool] | None = None
        self._accounted_at_s = 0.0
        self._crew = Crew()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generator")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")

    def close(self) -> None:
        """Let the threads end; idempotent."""
        self._crew.close()
        self._thread.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    def worth_a_thread(self, tokens: int) -> bool:
        """Whether a run that is fed so many tokens is long enough to be made beside others, on the host."""
        return not self._held and self._cost.predict(tokens) > self._bounds.beside_s

    def read_beside(self, start: int, tokens: Rows) -> asyncio.Future[ReadRun] | None:
        """Feed the rows of the slots from `start` on `tokens` while other runs go on; `take_read` takes what it gives.

        Returns None if what is fed would have to be copied for longer than the loop can wait.
        """
        feeds = cast("Tensors", self._step.read(slice(start, start + len(tokens)), tokens))
        if sum(array.nbytes for array in feeds.values()) > MOST_COPIED_BYTES:
            return None
        # Copies: rows may be moved while it runs.
        copies = {name: np.array(array) for name, array in feeds.items()}
        past, names = self._step.state.past, self._step.outputs
        counts = [len(each) for each in tokens]

        def timed() -> ReadRun:
            started_s = time.perf_counter()
            outputs = dict[str, Array]()
            with suppress(Exception):
                outputs = dict(zip(names, self._session.run(copies, names), strict=True))
            return ReadRun(outputs, not outputs, counts, past, time.perf_counter() - started_s)

        return asyncio.get_running_loop().run_in_executor(self._reader, timed)

    def record_read(self, run: ReadRun) -> None:
        """Account for a run that was made beside others."""
        fed = sum(run.counts)
        if not run.failed:
            self._cost.observe(fed, run.run_s)
        self._on_step(StepRecord(len(run.counts), fed, run.run_s, run.failed, None))

    def take_read(self, run: ReadRun, slots: Mapping[int, int]) -> Array:
        """Store the state of the rows in `slots` to where they lie by now; returns the logits of all rows, those of
        the others as zeros.
        """
        rows = list(slots)
        outputs: dict[str, Array | Held] = {name: array[rows] for name, array in run.outputs.items()}
        mine = self._step.put(list(slots.values()), outputs, [run.counts[row] for row in rows], run.past)
        logits = np.zeros((len(run.counts), *mine.shape[1:]), mine.dtype)
        logits[rows] = mine
        return logits

    def start_clock(self) -> None:
        """Count the loop's own time from now on."""
        self._accounted_at_s = time.perf_counter()

    async def run(
        self, start: int, rows: int, tokens: Rows | None = None
    ) -> tuple[Array, dict[int, Exception]]:
        """Feed the rows of the slots from `start` on `tokens`, None for the next one of each.

        Returns logits [rows, vocabulary] and what failed, by slot: if the rows fail together, each is run by itself, for
        a neighbour may be the reason. The state of what did not fail is stored.
        """
        part = slice(start, start + rows)
        try:
            return await self._once(part, tokens), {}
        except Exception as error:  # noqa: BLE001  # whatever the runtime raised goes to the callers
            if rows == 1:
                return np.zeros((1, 1), np.float32), {start: error}
        return await self._each(start, rows, tokens)

    def account(self) -> None:
        """Record the last run, with the time that the loop itself took since the one before."""
        if self._made is None:
            return
        rows, fed, run_s, failed = self._made
        self._made = None
        now_s = time.perf_counter()
        loop_s = now_s - self._accounted_at_s - run_s
        self._accounted_at_s = now_s
        self._on_step(StepRecord(rows, fed, run_s, failed, max(0.0, loop_s)))

    async def _each(self, start: int, rows: int, tokens: Rows | None) -> tuple[Array, dict[int, Exception]]:
        found: dict[int, Array] = {}
        failures: dict[int, Exception] = {}
        for row in range(rows):
            alone = None if tokens is None else tokens[row : row + 1]
            try:
                # A copy: the next run may write its logits where this one did.
                found[row] = (await self._once(slice(start + row, start + row + 1), alone))[0].copy()
            except Exception as error:  # noqa: BLE001  # as above
                failures[start + row] = error
            self.account()
        shape = next(iter(found.values())).shape if found else (1,)
        logits = np.zeros((rows, *shape), np.float32)
        for row, mine in found.items():
            logits[row] = mine
        return logits, failures

    async def _once(self, part: slice, tokens: Rows | None) -> Array:
        counts = None if tokens is None else [len(each) for each in tokens]
        feeds = self._step.step(part) if tokens is None else self._step.read(part, tokens)
        fed = part.stop - part.start if counts is None else sum(counts)
        outputs: Mapping[str, Array | Held] = {}
        run_s, observed = 0.0, None
        inline = self._cost.predict(fed) < self._bounds.inline_s

        def timed() -> None:
            nonlocal outputs, run_s, observed
            started_s = time.perf_counter()
            try:
                outputs, observed = self._outputs(feeds, inline=inline)
            finally:
                run_s = time.perf_counter() - started_s

        failed = True
        try:
            if inline:
                timed()
            else:
                await asyncio.get_running_loop().run_in_executor(self._thread, timed)
            failed = False
        finally:
            self._made = (part.stop - part.start, fed, run_s, failed)
            if failed:
                self.account()
        self._cost.observe(*(observed or (fed, run_s)))
        return self._step.take(part, outputs, counts)

    def _outputs(
        self, feeds: Mapping[str, Array | Held], *, inline: bool
    ) -> tuple[Mapping[str, Array | Held], Observed | None]:
        """Return what a run of `feeds` gives; if it was made in pieces side by side, also how long one of them took."""
        session, names = self._session, self._step.outputs
        if self._binds is not None and isinstance(feeds, SteadyFeeds):
            observed = self._run_steady(self._binds, feeds, inline=inline)
            return feeds.outputs, observed
        if not self._held:
            arrays = session.run(cast("Tensors", feeds), names)
            return dict(zip(names, arrays, strict=True)), None
        assert isinstance(session, HoldingSession), "only such a session is asked to hold"
        fetched = [name for name in names if name not in self._held]
        arrays, held = session.run_held(feeds, fetched, self._held)
        return {**dict(zip(fetched, arrays, strict=True)), **dict(zip(self._held, held, strict=True))}, None

    def _run_steady(self, session: BindingSession, feeds: SteadyFeeds, *, inline: bool) -> Observed | None:
        if not feeds.outputs:
            feeds.run(session, self._step.outputs)
            return None
        # If it does not run itself, the event loop keeps a core.
        places = cuts(feeds.rows, self._cost, session.abreast(spare=0 if inline else 1))
        runs = feeds.bound(session, places)
        if not places:
            runs[0]()
            return None
        first_s = self._crew.work(runs)
        return None if first_s is None else (places[0], first_s)

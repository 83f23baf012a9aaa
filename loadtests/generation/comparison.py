"""Compare the ways to serve in one interleaved run, and judge the ratios.

Knows what is measured and what it should come to; knows nothing of how tokens are made.

Two loads. `full`: all requests come at once, so that as many as there are slots always run side by side; its figure is
tokens a second. `loaded`: they come at the rate that one at a time could just serve if they came evenly, or a share of
it; its figures are the waits.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from loadtests.generation import modes
from loadtests.generation.figures import Figures, Served, figures, quantile
from loadtests.generation.modes import Batches
from loadtests.generation.subject import Subject
from loadtests.generation.trace import Request, poisson
from service.engine.runs import StepRecord

ONE, STATIC, CONTINUOUS = "one at a time", "static batches", "continuous"
MODES = (ONE, STATIC, CONTINUOUS)
BARE = "bare loop"
"""One at a time, with nobody to hand a token to: what the machine gives, not a way to serve."""
SHARE_ROWS = 16
SHARE_TOKENS = 40
SHARE_WAVES = 8
STRETCH = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: `slots` rows side by side, `repeats` of each way in turns, and the share of the load."""

    slots: int = 32
    repeats: int = 5
    load: float = 1.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """The best of all repeats by way of serving, for both loads; `own_share` is that of the generator's loop in a
    step of 16 rows.
    """

    bare: Figures
    full: dict[str, Figures]
    loaded: dict[str, Figures]
    loaded_rate: float
    own_share: float

    @property
    def throughput(self) -> float:
        """Tokens a second of continuous batching over those of one at a time."""
        return self.full[CONTINUOUS].tokens_per_s / self.full[ONE].tokens_per_s

    @property
    def thrift(self) -> float:
        """Tokens for a second of CPU time, likewise: the same on a busy machine as on a quiet one."""
        return self.full[CONTINUOUS].tokens_per_cpu_s / self.full[ONE].tokens_per_cpu_s

    @property
    def patience(self) -> float:
        """The 99th percentile of the time to first token of static batches over that of continuous batching."""
        return self.loaded[STATIC].first_p99_ms / self.loaded[CONTINUOUS].first_p99_ms


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and what it should reach."""

    name: str
    bound: float
    figure: Callable[[Comparison], float]
    at_most: bool = False

    def met(self, comparison: Comparison) -> bool:
        """Whether it is reached."""
        value = self.figure(comparison)
        return value < self.bound if self.at_most else value >= self.bound


TARGETS = (
    Target("tokens/s, continuous ÷ one at a time", 4.0, lambda found: found.throughput),
    Target("p99 to first token, static ÷ continuous", 5.0, lambda found: found.patience),
    Target("the loop's own share of a step of 16 rows", 0.2, lambda found: found.own_share, at_most=True),
)


def compare(subject: Subject, plan: Plan) -> Comparison:
    """Measure both loads; raises AssertionError if two ways gave different tokens."""
    flood = poisson(subject.requests, 1e6, plan.seed)
    _serve(subject, flood[: plan.slots], plan)  # threads, kernels and memory are there
    full = _measure(subject, flood, plan, bare=True)
    bare = full.pop(BARE)
    rate = plan.load * full[ONE].tokens_per_s / _mean_tokens(subject, plan)
    trace = poisson(subject.requests, rate, plan.seed)
    return Comparison(bare, full, _measure(subject, trace, plan), rate, own_share(subject, plan))


def _measure(
    subject: Subject, trace: Sequence[Request], plan: Plan, *, bare: bool = False
) -> dict[str, Figures]:
    found: dict[str, list[Figures]] = {}
    for _ in range(plan.repeats):
        for mode, each in _serve(subject, trace, plan, bare=bare).items():
            found.setdefault(mode, []).append(each)
    return {mode: _best(each) for mode, each in found.items()}


def _serve(
    subject: Subject, trace: Sequence[Request], plan: Plan, *, bare: bool = False
) -> dict[str, Figures]:
    """Serve a trace in every way, one after another."""
    ways: dict[str, Callable[[], list[Served]]] = {
        **({BARE: lambda: modes.bare_loop(subject, trace)} if bare else {}),
        ONE: lambda: modes.one_at_a_time(subject, trace),
        STATIC: lambda: modes.static_batches(subject, trace, Batches(plan.slots)),
        CONTINUOUS: lambda: modes.continuous(subject, trace, plan.slots),
    }
    found, alone = dict[str, Figures](), list[list[int]]()
    for mode, serve in ways.items():
        started_cpu_s = time.process_time()
        served = serve()
        found[mode] = figures(served, time.process_time() - started_cpu_s)
        tokens = [each.tokens for each in served]
        alone = alone or tokens
        assert tokens == alone, f"{subject.name}: {mode} made other tokens than {ONE}"
    return found


def own_share(subject: Subject, plan: Plan) -> float:
    """Return which share of a step of 16 rows the generator's loop takes beside `session.run`; no row ends before it has
    made `SHARE_TOKENS`. Raises RuntimeError if there was no such step.

    Of the quicker quarter of stretches of `STRETCH` steps: the others were interrupted by what else runs on the machine.
    A stretch is long enough that tokens are told in it as often as they always are.
    """
    longest = max(subject.requests, key=lambda request: len(request.prompt))
    shares = list[float]()
    for _ in range(SHARE_WAVES):
        steps = list[StepRecord]()
        trace = [Request(longest.prompt, SHARE_TOKENS)] * SHARE_ROWS
        modes.continuous(subject, trace, max(plan.slots, SHARE_ROWS), steps.append, ends=False)
        whole = [step for step in steps if step.rows == step.tokens == SHARE_ROWS]
        for stretch in (whole[start : start + STRETCH] for start in range(0, len(whole), STRETCH)):
            loop_s, run_s = sum(step.loop_s or 0.0 for step in stretch), sum(step.run_s for step in stretch)
            shares.append(loop_s / (loop_s + run_s))
    if not shares:
        raise RuntimeError(f"no step had {SHARE_ROWS} rows")
    return quantile(shares, 0.25)


def _mean_tokens(subject: Subject, plan: Plan) -> float:
    return statistics.mean(
        len(each.tokens) for each in modes.static_batches(subject, subject.requests, Batches(plan.slots))
    )


def _best(found: Sequence[Figures]) -> Figures:
    """Return the best of each figure: what else a shared machine does only ever makes them worse."""
    best = {name: max if name.endswith("per_s") else min for name in (each.name for each in fields(Figures))}
    return Figures(**{name: of(getattr(one, name) for one in found) for name, of in best.items()})

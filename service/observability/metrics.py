"""Record what happens, with every label resolved beforehand so that the hot path only adds numbers.

Knows versions and numbers. Knows nothing of how they are measured.

Labels come only from versions that were on disk and from our own words: what a client asks for and we do not
have is counted under the model `unknown`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from prometheus_client import Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.exposition import ALLOWUTF8

from service import __version__
from service.domain import ModelId, VersionState, Word
from service.observability import gpus
from service.observability.aliases import Aliases
from service.observability.families import UNKNOWN, Families
from service.observability.tally import Tally

Exemplar = dict[str, str] | None
"""The ids of the trace that shows such a case, if there is one."""
STATES: tuple[VersionState, ...] = ("loading", "available", "draining", "failed", "unloaded")


class Rows(Protocol):
    """What a generator tells of itself."""

    @property
    def slots(self) -> int:
        """How many rows there are."""

    @property
    def slots_in_use(self) -> int:
        """How many rows run."""

    @property
    def running(self) -> int:
        """How many sequences have rows."""

    @property
    def waiting(self) -> int:
        """How many sequences wait for rows."""

    @property
    def cache_bytes_in_use(self) -> int:
        """How much memory the running rows' state takes."""

    @property
    def cache_bytes_limit(self) -> int | None:
        """How much it may take; None if only rows are bounded."""


class GraphRecorder:
    """Records the runs of one graph."""

    def __init__(self, families: Families, model: ModelId, signature: str, tally: Tally) -> None:
        self._tally = tally
        self._families = families
        self._loop: Histogram | None = None
        labels = (model.name, str(model.version), signature)
        self._labels = labels
        self._batches = families.batches
        self._run = families.run_duration.labels(*labels)
        self._rows = families.batch_rows.labels(*labels)
        self._padding = families.batch_padding.labels(*labels)
        self._by_reason: dict[tuple[str, bool], Counter] = {}

    def ran(
        self,
        rows: int,
        run_s: float,
        padding: float,
        reason: str,
        *,
        failed: bool,
        exemplar: Exemplar = None,
    ) -> None:
        """Count one run."""
        child = self._by_reason.get((reason, failed))
        if child is None:
            child = self._batches.labels(*self._labels, reason, "failed" if failed else "ok")
            self._by_reason[reason, failed] = child
        child.inc()
        self._run.observe(run_s, exemplar)
        self._rows.observe(rows)
        self._padding.observe(padding)
        if not failed:
            self._tally.run(rows, run_s)

    def stepped(self, rows: int, run_s: float, loop_s: float, *, failed: bool) -> None:
        """Count one run of a step graph, and what the loop around it took."""
        self.ran(rows, run_s, 0.0, "step", failed=failed)
        if self._loop is None:
            self._loop = self._families.loop_duration.labels(*self._labels)
        self._loop.observe(loop_s)


class VersionRecorder:
    """Records what concerns one version, or, for `UNKNOWN`, requests that found none.

    `tally` has the same in numbers that can be read back.
    """

    def __init__(self, families: Families, name: str, version: str) -> None:
        self.tally = Tally()
        self._families = families
        self._labels = (name, version)
        self._durations: dict[tuple[Word, str, str], Histogram] = {}
        self._waits: dict[Word, Histogram] = {}
        self._tokens: tuple[Counter, Counter] | None = None
        self._first: Histogram | None = None
        self._between: Histogram | None = None

    def answered(
        self, word: Word, protocol: str, outcome: str, duration_s: float, exemplar: Exemplar = None
    ) -> None:
        """Count a request that came to an end, well or not."""
        child = self._durations.get((word, protocol, outcome))
        if child is None:
            child = self._families.request_duration.labels(*self._labels, word, protocol, outcome)
            self._durations[word, protocol, outcome] = child
        child.observe(duration_s, exemplar)

    def refused(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._families.refusals.labels(self._labels[0], reason).inc()

    def waited(self, word: Word, queue_s: float, exemplar: Exemplar = None) -> None:
        """Count how long a request waited for its first run."""
        child = self._waits.get(word)
        if child is None:
            child = self._waits[word] = self._families.queue_wait.labels(*self._labels, word)
        child.observe(queue_s, exemplar)

    def counted_tokens(self, prompt: int, completion: int) -> None:
        """Count tokens read and made."""
        if self._tokens is None:
            tokens = self._families.tokens
            self._tokens = tokens.labels(*self._labels, "prompt"), tokens.labels(*self._labels, "completion")
        self._tokens[0].inc(prompt)
        self._tokens[1].inc(completion)

    def finished(self, reason: str) -> None:
        """Count a sequence that came to its end."""
        self._families.generations.labels(*self._labels, reason).inc()

    def preempted(self) -> None:
        """Count a sequence that had to yield its rows."""
        self._families.preemptions.labels(*self._labels).inc()

    def first_token(self, after_s: float, exemplar: Exemplar = None) -> None:
        """Count how long a stream took to begin."""
        if self._first is None:
            self._first = self._families.time_to_first_token.labels(*self._labels)
        self._first.observe(after_s, exemplar)

    def next_token(self, after_s: float, exemplar: Exemplar = None) -> None:
        """Count how long a stream took for one more token."""
        if self._between is None:
            self._between = self._families.time_between_tokens.labels(*self._labels)
        self._between.observe(after_s, exemplar)


class Metrics:
    """The gateway's metrics: recorders for the hot path, and what the repository has to tell."""

    def __init__(self, *, aliases: bool = True) -> None:
        self.families = Families()
        self._recorders: dict[ModelId, VersionRecorder] = {}
        self.unknown = VersionRecorder(self.families, UNKNOWN, "")
        if aliases:
            self.families.registry.register(Aliases(self.families, self._tallies))
        self.families.build.labels(__version__, platform.python_version()).set(1)

    def text(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self.families.registry)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return everything in the format that `accept` asks for, and its media type.

        OpenMetrics has exemplars; whoever does not ask for it gets the Prometheus text format.
        """
        kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        if "application/openmetrics-text" not in kinds:
            return self.text(), CONTENT_TYPE_PLAIN_0_0_4
        # The library's other ways to escape turn the colons of other servers' names into underscores, though colons
        # are sound; no name here needs escaping.
        text: bytes = openmetrics.generate_latest(self.families.registry, ALLOWUTF8)  # type: ignore[no-untyped-call]  # has no types
        return text, openmetrics.CONTENT_TYPE_LATEST

    def version(self, model: ModelId) -> VersionRecorder:
        """Return the recorder of a version; the same one each time."""
        recorder = self._recorders.get(model)
        if recorder is None:
            recorder = self._recorders[model] = VersionRecorder(self.families, *_labels(model))
            last_success = self.families.last_success.labels(*_labels(model))
            last_success.set_function(partial(getattr, recorder.tally, "last_at_unix_s"))
        return recorder

    def graph(self, model: ModelId, signature: str) -> GraphRecorder:
        """Return a recorder for the runs of one graph of a version."""
        return GraphRecorder(self.families, model, signature, self.version(model).tally)

    def watch_queue(self, model: ModelId, signature: str, depth: Callable[[], int]) -> None:
        """Ask `depth` at each scrape how many requests wait."""
        self.families.queue_depth.labels(*_labels(model), signature).set_function(depth)

    def watch_generator(self, model: ModelId, *generators: Rows) -> None:
        """Ask a version's generators at each scrape for their rows, their sequences and their states' memory, together."""
        families, labels = self.families, _labels(model)
        families.slots.labels(*labels).set(sum(each.slots for each in generators))
        families.cache_bytes.labels(*labels).set(sum(each.cache_bytes_limit or 0 for each in generators))
        for gauge, name in (
            (families.slots_in_use, "slots_in_use"),
            (families.sequences_running, "running"),
            (families.sequences_waiting, "waiting"),
            (families.cache_bytes_in_use, "cache_bytes_in_use"),
        ):
            gauge.labels(*labels).set_function(partial(_total, generators, name))

    def watch_in_flight(self, in_flight: Callable[[], int]) -> None:
        """Ask `in_flight` at each scrape how many requests are being answered."""
        self.families.in_flight.set_function(in_flight)

    def watch_gpus(self) -> None:
        """Ask the GPUs, if there are any, at each scrape for their memory and load."""
        found = gpus.find()
        if found is not None:
            self.families.registry.register(found)

    def state(self, model: ModelId, state: VersionState) -> None:
        """Say which state a version is in now."""
        for each in STATES:
            self.families.model_state.labels(*_labels(model), each).set(each == state)

    def loaded(self, model: ModelId, duration_s: float, parity: Iterable[tuple[str, float]]) -> None:
        """Say that a version was loaded, how long that took, and the parity of each signature at export."""
        self.accepted(model)
        self.families.model_load_duration.labels(*_labels(model)).set(duration_s)
        for signature, ratio in parity:
            self.families.export_parity.labels(*_labels(model), signature).set(ratio)

    def load_failed(self, model: ModelId, reason: str) -> None:
        """Count a load that failed; the version's files stand as refused until they are `accepted`."""
        self.families.model_load_failures.labels(model.name, reason).inc()
        self.accepted(model)
        self.families.model_refused.labels(*_labels(model), reason).set(1)

    def accepted(self, model: ModelId) -> None:
        """Say that nothing is wrong with a version's files, as far as is known."""
        self.families.model_refused.remove_by_labels(_by_name(model))

    def scan_failed(self) -> None:
        """Count a look at the models directory that failed."""
        self.families.scan_failures.inc()

    def storage_looked(self, place: str, *, reachable: bool) -> None:
        """Say whether the model storage at a URL could be listed."""
        self.families.storage_reachable.labels(place).set(reachable)

    def storage_fetched(self, size_bytes: int) -> None:
        """Count bytes that came from model storage."""
        self.families.storage_fetched_bytes.inc(size_bytes)

    def storage_cached(self, size_bytes: int) -> None:
        """Say how large the cache of model storage is."""
        self.families.storage_cache_bytes.set(size_bytes)

    def unloaded(self, model: ModelId) -> None:
        """Stop asking a version that is no longer live; what it counted stays."""
        families = self.families
        for gauge in (
            families.queue_depth,
            families.slots,
            families.slots_in_use,
            families.sequences_running,
            families.sequences_waiting,
            families.cache_bytes,
            families.cache_bytes_in_use,
            families.export_parity,
        ):
            gauge.remove_by_labels(_by_name(model))

    def forget(self, model: ModelId) -> None:
        """Remove everything about a version that is gone from disk, so that the number of series is bounded."""
        self._recorders.pop(model, None)
        for family in self.families.by_version:
            family.remove_by_labels(_by_name(model))

    def _tallies(self) -> Iterable[tuple[ModelId, Tally]]:
        return ((model, recorder.tally) for model, recorder in self._recorders.items())


def _total(generators: Iterable[Rows], name: str) -> float:
    return float(sum(getattr(generator, name) for generator in generators))


def _labels(model: ModelId) -> tuple[str, str]:
    return model.name, str(model.version)


def _by_name(model: ModelId) -> dict[str, str]:
    return {"model": model.name, "version": str(model.version)}

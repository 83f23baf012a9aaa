"""Keep in mind what lies at one URL: what was seen there, what of it is held in the cache, and what could not be fetched.

Knows one URL and the cache. Knows nothing of which versions are wanted. `look` and `fetch` block, and are called from
threads; everything else answers from memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from service.domain import ModelId
from service.observability import logs
from service.observability.metrics import Metrics
from service.repository.errors import LoadError, StorageError
from service.repository.plan import Fingerprint, Labels
from service.repository.remote import fetching, looking
from service.repository.remote.cache import Cache, Record
from service.repository.remote.files import Files, Unreachable
from service.repository.remote.locks import Hold
from service.repository.remote.looking import Seen, Site

LONGEST_WAIT_S = 300.0
FIRST_WAIT_S = 1.0


def retry_after_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return how long to wait after so many failures in a row, one or more: twice as long after each."""
    return min(first_s * 2.0 ** min(failures - 1, 30), max(first_s, longest_s))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why what has `tag` could not be fetched, how often, and when it is tried again."""

    tag: str
    error: LoadError
    count: int
    retry_at_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """How the last look went: what it, or one before, saw; why it failed, if it did; and when the next is due.

    Without any that went well, `seen` is what the cache has, and None if that is nothing.
    """

    seen: Seen | None
    error: str
    failures: int
    next_at_s: float


class Mirror:
    """What is known of one site."""

    def __init__(
        self,
        site: Site,
        files: Files,
        cache: Cache,
        metrics: Metrics,
        poll_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.site = site
        self._files = files
        self._cache = cache
        self._metrics = metrics
        self._poll_s = poll_s
        self._clock = clock
        self._log = logs.get("service.repository")
        self._lock = Lock()
        self._look: Look | None = None
        self._held: dict[ModelId, tuple[str, Hold]] = {}
        self._failures: dict[ModelId, Failure] = {}

    # What is known.

    @property
    def error(self) -> str:
        """Why the last look failed; nothing if it did not."""
        return self._look.error if self._look else ""

    @property
    def known(self) -> bool:
        """Whether it is known, from the store or the cache, what lies here."""
        return self._look is not None and self._look.seen is not None

    def is_due(self) -> bool:
        """Say whether it is time to look again."""
        return self._look is None or self._clock() >= self._look.next_at_s

    def versions(self) -> Mapping[ModelId, Fingerprint]:
        """Return the versions with what changes when they do, or when why they cannot be had does."""
        failures = self._failures
        return {model: (tag, _reason(failures.get(model), tag)) for model, tag in self._tags().items()}

    def labels(self) -> Labels:
        """Return the labels of the models."""
        return self._look.seen.labels if self._look and self._look.seen else {}

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know."""
        found = self._look.seen.problems if self._look and self._look.seen else ()
        if not self.error:
            return found
        instead = "what was seen before stays" if self.known else "nothing of it is in the cache"
        return (*found, f"'{self.site.url}' cannot be listed: {self.error}; {instead}")

    def absent(self) -> set[ModelId]:
        """Return the versions that are neither held as they are now, nor known not to be had."""
        return {
            model
            for model, tag in self._tags().items()
            if not self._holds(model, tag) and not _reason(self._failures.get(model), tag)
        }

    def to_retry(self) -> list[ModelId]:
        """Return the versions that could not be fetched and are due again."""
        now_s, tags = self._clock(), self._tags()
        return [
            model
            for model, failure in dict(self._failures).items()
            if tags.get(model) == failure.tag and failure.retry_at_s <= now_s
        ]

    def directory(self, model: ModelId) -> Path:
        """Return the directory of a version that is held; raises LoadError why it is not."""
        tag = self._tags().get(model, "")
        failure = self._failures.get(model)
        if failure is not None and failure.tag == tag:
            raise failure.error
        held = self._held.get(model)
        if held is None:
            raise StorageError("it is no longer wanted")
        return held[1].path

    def forget_failures(self) -> None:
        """Let what could not be fetched be tried again as if for the first time."""
        with self._lock:
            self._failures = {}

    # What takes time.

    def look(self) -> None:
        """Look at the store once."""
        before = self._look
        try:
            seen = looking.look(self._files, self.site)
        except Unreachable as error:
            failures = (before.failures if before else 0) + 1
            wait_s = retry_after_s(failures, min(FIRST_WAIT_S, self._poll_s), self._poll_s)
            known = before.seen if before else self._cached()
            self._look = Look(known, str(error), failures, self._clock() + wait_s)
        else:
            self._look = Look(seen, "", 0, self._clock() + self._poll_s)
            self._remember(seen)
        self._metrics.storage_looked(str(self.site.url), reachable=not self.error)

    def make_do(self) -> None:
        """Go by what the cache has until the first look comes to its end."""
        if self._look is None:
            self._look = Look(self._cached(), "it has not answered yet", 0, self._clock())

    def fetch(self, model: ModelId) -> None:
        """Hold a version as it is in the store now; what the cache has of it is not fetched."""
        tag = self._tags().get(model)
        if tag is None:
            return
        try:
            hold = self._from_cache(model, tag) or self._from_store(model, tag)
        except LoadError as error:
            self._fail(model, tag, error)
            return
        except OSError as error:
            self._fail(
                model, tag, StorageError(f"the cache cannot be used: {error.strerror or 'unknown reason'}")
            )
            return
        except Exception:  # noqa: BLE001  # whatever is wrong with one version is that version's failure
            self._log.exception("fetch_failed", model=model.name, version=model.version)
            self._fail(model, tag, StorageError("internal error while fetching; the log has the cause"))
            return
        with self._lock:
            former = self._held.pop(model, None)
            self._held[model] = tag, hold
            self._failures.pop(model, None)
        if former is not None:
            self._cache.release(former[1])
        self._metrics.storage_cached(self._cache.used_bytes())

    def release_all_but(self, kept: Collection[ModelId]) -> None:
        """Hold only these versions: others may leave the cache."""
        with self._lock:
            going = [self._held.pop(model)[1] for model in list(self._held) if model not in kept]
        for hold in going:
            self._cache.release(hold)

    def _tags(self) -> Mapping[ModelId, str]:
        return self._look.seen.versions if self._look and self._look.seen else {}

    def _holds(self, model: ModelId, tag: str) -> bool:
        held = self._held.get(model)
        return held is not None and held[0] == tag

    def _cached(self) -> Seen | None:
        """Return what the cache has whole of this URL, None if that is nothing."""
        records = self._records()
        versions = {model: record.tag for model, record in records.items() if self._cache.has(record.tree)}
        return Seen(versions, self._cache.labels(self.site.url)) if versions else None

    def _records(self) -> dict[ModelId, Record]:
        records = self._cache.records(self.site.url)
        return {model: record for model, record in records.items() if self.site.name in (None, model.name)}

    def _remember(self, seen: Seen) -> None:
        with self._lock:
            self._failures = {
                model: each for model, each in self._failures.items() if seen.versions.get(model) == each.tag
            }
        try:
            for model in self._records().keys() - seen.versions.keys():
                self._cache.forget(self.site.url, model)
            self._cache.remember_labels(self.site.url, seen.labels)
        except OSError as error:
            self._log.warning("cache_failed", reason=error.strerror)

    def _from_cache(self, model: ModelId, tag: str) -> Hold | None:
        record = self._cache.records(self.site.url).get(model)
        return self._cache.hold(record.tree) if record is not None and record.tag == tag else None

    def _from_store(self, model: ModelId, tag: str) -> Hold:
        place = self.site.place_of(model)
        started_at_s = self._clock()
        hold = fetching.fetch(self._files, place, self._cache, self._metrics.storage_fetched)
        self._cache.remember(self.site.url, model, Record(tag, hold.path.name))
        duration_s = round(self._clock() - started_at_s, 3)
        self._log.info("version_fetched", model=model.name, version=model.version, duration_s=duration_s)
        return hold

    def _fail(self, model: ModelId, tag: str, error: LoadError) -> None:
        with self._lock:
            before = self._failures.get(model)
            count = before.count + 1 if before is not None and before.tag == tag else 1
            wait_s = retry_after_s(count, self._poll_s, LONGEST_WAIT_S)
            self._failures[model] = Failure(tag, error, count, self._clock() + wait_s)


def _reason(failure: Failure | None, tag: str) -> str:
    return str(failure.error) if failure is not None and failure.tag == tag else ""

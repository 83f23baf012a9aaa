"""Keep what is live in step with what is on disk: look, plan, load one, swap, drain the old.

The thin loop around `plan`. Knows when; knows nothing of how versions are found or loaded.

Promises: a bad version never takes the place of a good one, and is not tried again until its files change; a
new version answers before the old one stops, and before a label moves to it; an old one is closed when its last
request has been answered; nothing that goes wrong here ends the loop.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.config import Repository
from service.domain import ModelId, VersionState
from service.errors import Unavailable
from service.observability import logs
from service.observability.metrics import Metrics
from service.repository.errors import LoadError
from service.repository.live import LiveVersion, Loader
from service.repository.plan import Fingerprint, Labels, Plan, Situation, labels_in_force, plan
from service.repository.registry import RETRY_AFTER_S, Registry
from service.repository.rules import Rules
from service.repository.settling import Settling
from service.repository.store import Listing, Store, StoreError

T = TypeVar("T")
UNLOADED = "unloaded"
"""Why a version is not live that an operator has unloaded; clients of Triton look for this word."""
FETCHING_POLL_S = 0.2
"""How soon to look again, at the latest, while something is brought here from a store far away."""
UNREACHABLE = "a model storage cannot be looked at now; the log has the reason"
UNEXPECTED = "internal error while loading; the log has the cause"


class Reloader:
    """Drives the registry. One `run` at a time, on the event loop of the registry."""

    def __init__(
        self, store: Store, loader: Loader, registry: Registry, metrics: Metrics, settings: Repository
    ) -> None:
        self._store = store
        self._loader = loader
        self._registry = registry
        self._metrics = metrics
        self._poll_interval_s = settings.poll_interval_s
        self._rules = Rules.of(settings)
        self._retry: set[str] | None = set()
        self._settling = Settling()
        self._log = logs.get("service.repository")
        self._live: dict[ModelId, Fingerprint] = {}
        self._failed: dict[ModelId, Fingerprint] = {}
        self._in_force: Labels = {}
        self._listing = Listing({}, {})
        self._store_error = ""
        self._fetching = False
        self._draining: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="repository")

    async def run(self) -> None:
        """Look, act, wait, for ever; cancel it to stop."""
        try:
            while True:
                if not await self._act():
                    soon_s = FETCHING_POLL_S if self._fetching else self._poll_interval_s
                    await self._settling.sleep(min(soon_s, self._poll_interval_s))
        finally:
            self._settling.end(Unavailable("the gateway is going down", retry_after_s=RETRY_AFTER_S))

    @property
    def rules(self) -> Rules:
        """What is to be live now."""
        return self._rules

    def adopt(self, rules: Rules, retry: Collection[str] | None = ()) -> None:
        """Go by other rules from the next look on, which is soon.

        Versions that failed are tried again for the models in `retry`, for all with None.
        """
        self._rules = rules
        self._retry = None if retry is None or self._retry is None else self._retry.union(retry)
        self._settling.wake()

    async def settled(self, names: frozenset[str] | None = None, *, needs_disk: bool = True) -> None:
        """Return when a look that begins after now leaves nothing to load of `names`, None for all models.

        Each version is then live or has failed. Raises Unavailable if no look comes any more, or if it
        `needs_disk` and the store cannot be read.
        """
        if needs_disk:
            self._store.freshen()
        await self._settling.wait(names, needs_disk=needs_disk)

    async def tick(self) -> bool:
        """Look once and do the next thing; returns whether there was anything to do.

        At most one version is loaded a tick, so that what changes meanwhile is seen before the next.
        """
        look = self._settling.begin()
        rules = self._take_up()
        listing = await self._look(rules)
        if self._store_error or listing.unreachable:
            reason = self._store_error or UNREACHABLE
            self._settling.fail(look, Unavailable(reason, retry_after_s=RETRY_AFTER_S))
        labels = _labels(listing, rules)
        self._in_force = labels_in_force(labels, self._in_force, self._live)
        self._registry.set_labels(self._in_force)
        situation = Situation(listing.versions, self._live, self._failed, labels, self._in_force)
        decision = plan(situation, rules)
        self._mark(listing, decision)
        for model in decision.unload:
            self._unload(model)
        await self._in_thread(self._store.prepare, decision.load, frozenset(self._live))
        self._settling.finish(look, {model.name for model in decision.load})
        here = [model for model in decision.load if model not in listing.absent]
        self._fetching = len(here) < len(decision.load)
        if here:
            await self._load(here[0], listing.versions[here[0]])
            return True
        if listing.whole and not self._fetching:
            self._registry.finish_first_scan()
        return bool(decision.unload)

    async def _act(self) -> bool:
        try:
            return await self.tick()
        except Exception:  # noqa: BLE001  # a bug here must not end the service of what is live
            self._log.exception("repository_failed")
            return False

    def _take_up(self) -> Rules:
        """Return the rules of this look, and forget the failures that are to be tried again."""
        for model in list(self._failed):
            if self._retry is None or model.name in self._retry:
                del self._failed[model]
        self._retry = set()
        return self._rules

    async def close(self) -> None:
        """Close every version, whoever still uses it; call it when nobody looks any more."""
        for draining in self._draining:
            draining.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        for live in self._registry.live():
            live.close()
        self._loader.close()
        self._store.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _look(self, rules: Rules) -> Listing:
        try:
            listing = await self._in_thread(self._store.scan, rules.places)
        except StoreError as error:
            self._metrics.scan_failed()
            if str(error) != self._store_error:
                self._log.error("repository_unreadable", reason=str(error))
            self._store_error = str(error)
            return self._listing
        self._store_error = ""
        for problem in sorted(set(listing.problems) - set(self._listing.problems)):
            self._log.warning("repository_problem", problem=problem)
        self._listing = listing
        return listing

    def _mark(self, listing: Listing, decision: Plan) -> None:
        """Give every version that is not live a state: it loads, failed before, or is not wanted."""
        for model, fingerprint in listing.versions.items():
            if model in self._live:
                if self._live[model] == fingerprint:
                    self._state(model, "available")  # whatever was wrong with other files in its place
            elif model in decision.load:
                self._state(model, "loading")
            elif self._failed.get(model) != fingerprint and self._registry.state(model) != "draining":
                self._rest(model)
        for status in self._registry.statuses():
            model = status.model
            if model not in listing.versions and model not in self._live and status.state != "draining":
                self._forget(model)

    def _state(self, model: ModelId, state: VersionState, reason: str = "") -> None:
        if self._registry.mark(model, state, reason):
            self._metrics.state(model, state)
            if not reason:
                self._metrics.accepted(model)

    def _rest(self, model: ModelId) -> None:
        self._state(model, "unloaded", UNLOADED if model.name in self._rules.unloaded else "")

    def _forget(self, model: ModelId) -> None:
        self._failed.pop(model, None)
        self._registry.forget(model)
        self._metrics.forget(model)

    async def _load(self, model: ModelId, fingerprint: Fingerprint) -> None:
        started_at_s = time.monotonic()
        try:
            loaded = await self._loader.load(model, self._store.directory(model))
        except LoadError as error:
            self._fail(model, fingerprint, str(error), error.kind)
            return
        except Exception:  # noqa: BLE001  # whatever is wrong with one version is that version's failure
            self._log.exception("load_failed", **_named(model))
            self._fail(model, fingerprint, UNEXPECTED, "internal")
            return
        self._failed.pop(model, None)
        self._live[model] = fingerprint
        replaced = self._registry.publish(LiveVersion(loaded))
        duration_s = time.monotonic() - started_at_s
        parity = [(name, each.max_relative) for name, each in loaded.manifest.parity.items()]
        self._metrics.state(model, "available")
        self._metrics.loaded(model, duration_s, parity)
        self._log.info("version_available", **_named(model), duration_s=round(duration_s, 3))
        if replaced is not None:
            self._begin(_close_when_idle(replaced))

    def _fail(self, model: ModelId, fingerprint: Fingerprint, reason: str, kind: str) -> None:
        self._failed[model] = fingerprint
        self._metrics.load_failed(model, kind)
        self._log.error("version_failed", **_named(model), reason=reason)
        if model in self._live:
            self._state(model, "available", f"its changed files are not used: {reason}")
        else:
            self._state(model, "failed", reason)

    def _unload(self, model: ModelId) -> None:
        live = self._registry.retire(model)
        del self._live[model]
        self._metrics.state(model, "draining")
        self._log.info("version_draining", **_named(model), requests=live.leases)
        self._begin(self._retire(live))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _retire(self, live: LiveVersion) -> None:
        model = live.model
        await _close_when_idle(live)
        del live
        # Sessions hold memory outside the interpreter: do not leave them to the next round of the collector.
        gc.collect()
        self._log.info("version_unloaded", **_named(model))
        if self._registry.state(model) != "draining":
            return  # it came back meanwhile
        self._metrics.unloaded(model)
        if model in self._listing.versions:
            self._rest(model)
        else:
            self._forget(model)


async def _close_when_idle(live: LiveVersion) -> None:
    try:
        await live.drained()
    finally:
        live.close()


def _labels(listing: Listing, rules: Rules) -> dict[str, dict[str, int]]:
    names = listing.labels.keys() | rules.labels.keys()
    return {name: rules.labels_of(name, listing.labels.get(name, {})) for name in names}


def _named(model: ModelId) -> dict[str, object]:
    return {"model": model.name, "version": model.version}

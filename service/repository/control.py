"""Change what is live while the gateway serves: load, unload, move labels, swap the rules.

Knows rules and how each change ends. Knows nothing of who may make one, or of how versions are loaded.

Promises: what is asked for takes effect between two requests, and the answer comes when it has, or has failed; a
version that fails never takes the place of a good one, nor its label. Changes last until the process ends, or
until `reconfigure` replaces them. A caller who does not wait for the end of a change does not stop it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from service.domain import ModelId, VersionStatus
from service.errors import Invalid, NotFound, ServiceError, TimedOut
from service.observability import logs
from service.repository.changes import Changes
from service.repository.registry import Registry, shown
from service.repository.reloader import Reloader
from service.repository.rules import LabelRules, Rules

Statuses = tuple[VersionStatus, ...]


class Control:
    """What may be changed at run time. Every method also raises TimedOut at its deadline, and Unavailable when the
    gateway goes down; those that look for new versions, also while the disk cannot be read.

    Methods that name a model return where its versions stand, and raise NotFound if there is none.
    """

    def __init__(self, reloader: Reloader, registry: Registry, changes: Changes) -> None:
        self._reloader = reloader
        self._registry = registry
        self._changes = changes
        self._log = logs.get("service.repository")

    @property
    def rules(self) -> Rules:
        """What is to be live now."""
        return self._reloader.rules

    async def load(self, name: str, deadline_at_s: float) -> Statuses:
        """Serve the versions of a model that its policy and labels want, those that failed tried again.

        Raises Invalid if a version fails, with its reason, or if none is wanted.
        """
        self._reloader.adopt(self.rules.with_loaded(name), retry=(name,))
        await self._settled(name, deadline_at_s)
        found = self._known(name)
        _check(found)
        if not any(status.state == "available" for status in found):
            why = "it was unloaded meanwhile" if name in self.rules.unloaded else "see its policy"
            raise Invalid(f"no version of model '{name}' is wanted: {why}", field="model")
        self._log.info("model_loaded", model=name)
        return found

    async def unload(self, name: str, deadline_at_s: float) -> Statuses:
        """Serve no version of a model until it is loaded again; returns when its last request has ended."""
        self._known(name)
        self._reloader.adopt(self.rules.with_unloaded(name), retry=(name,))
        await self._settled(name, deadline_at_s, needs_disk=False)
        async with _until(deadline_at_s):
            while any(status.state == "draining" for status in self._of(name)):
                await self._changes.wait(self._changes.revision)
        self._log.info("model_unloaded", model=name)
        return self._of(name)

    async def set_label(self, name: str, label: str, version: int, deadline_at_s: float) -> Statuses:
        """Point a label to a version; until that is live, the label means what it meant.

        Raises Invalid if the version does not go live, and NotFound if there is none of that number: the label
        stays as it was.
        """
        self._known(name)
        before = self.rules.labels.get(name, {})
        self._reloader.adopt(self.rules.with_label(name, label, version))
        await self._settled(name, deadline_at_s, needs_disk=False)
        model = ModelId(name, version)
        if self._registry.get(model) is None:
            self._take_back(model, label, before)
            raise self._not_live(model)
        self._log.info("label_set", model=name, label=label, version=version)
        return self._of(name)

    async def remove_label(self, name: str, label: str, deadline_at_s: float) -> Statuses:
        """Let a label mean nothing; raises NotFound if it does not mean anything now."""
        self._known(name)
        if label not in self._registry.labels(name):
            raise NotFound(f"model '{name}' has no label {shown(label)}", field="label")
        self._reloader.adopt(self.rules.with_label(name, label, None))
        await self._settled(name, deadline_at_s, needs_disk=False)
        self._log.info("label_removed", model=name, label=label)
        return self._of(name)

    async def reload(self, deadline_at_s: float) -> Statuses:
        """Look at the disk now, and return where every version stands when that is dealt with."""
        await self._settled(None, deadline_at_s)
        return self._registry.statuses()

    async def reconfigure(self, rules: Rules, deadline_at_s: float) -> Statuses:
        """Swap all rules, and try again what failed; returns where every version stands under them.

        Raises Invalid with the reasons of versions that fail. The rules are in force all the same: `rules`, read
        before, is what brings the former ones back.
        """
        self._log.info("rules_replaced")
        self._reloader.adopt(rules, retry=None)
        await self._settled(None, deadline_at_s)
        found = self._registry.statuses()
        _check(found)
        return found

    async def _settled(self, name: str | None, deadline_at_s: float, *, needs_disk: bool = True) -> None:
        names = None if name is None else frozenset((name,))
        async with _until(deadline_at_s):
            await self._reloader.settled(names, needs_disk=needs_disk)

    def _of(self, name: str) -> Statuses:
        return tuple(status for status in self._registry.statuses() if status.model.name == name)

    def _known(self, name: str) -> Statuses:
        found = self._of(name)
        if not found:
            raise NotFound(f"there is no model {shown(name)}", field="model")
        return found

    def _take_back(self, model: ModelId, label: str, before: LabelRules) -> None:
        """Give a label its former rule, unless somebody has changed it again meanwhile."""
        labels = dict(self.rules.labels.get(model.name, {}))
        if labels.get(label) != model.version:
            return
        del labels[label]
        if label in before:
            labels[label] = before[label]
        self._reloader.adopt(self.rules.with_labels(model.name, labels))

    def _not_live(self, model: ModelId) -> ServiceError:
        for status in self._of(model.name):
            if status.model == model:
                reason = f": {status.reason}" if status.reason else ""
                return Invalid(
                    f"version {model.version} of model '{model.name}' is not available{reason}",
                    field="version",
                )
        return NotFound(f"model '{model.name}' has no version {model.version}", field="version")


def _check(statuses: Iterable[VersionStatus]) -> None:
    """Raise Invalid if a version has failed, or goes on with its former files because the new ones are bad."""
    failures = [
        f"version {status.model.version} of model '{status.model.name}': {status.reason}"
        for status in statuses
        if status.state == "failed" or (status.state == "available" and status.reason)
    ]
    if failures:
        raise Invalid(f"failed to load {'; '.join(failures)}", field="model")


@asynccontextmanager
async def _until(deadline_at_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline_at_s):
            yield
    except TimeoutError as error:
        raise TimedOut("the change is not through yet; it goes on without you") from error

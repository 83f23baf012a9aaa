"""Which versions answer, where every version stands, and which one a caller means.

Knows live versions, labels and states. Knows nothing of directories or of loading. Used on one event loop.

Promises: `publish` and `retire` take effect between two requests; a version that was found stays usable until
its last lease ends; a caller who names nothing gets the newest version of the only model for its word.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.domain import ModelId, ModelRef, ModelSummary, VersionState, VersionStatus, Word
from service.errors import Invalid, NotFound, ServiceError, Unavailable, Unsupported
from service.repository.changes import Changes
from service.repository.live import LiveVersion

RETRY_AFTER_S = 1.0
_SHOWN = 10


class Registry:
    """The live versions by name and number."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._live: dict[str, dict[int, LiveVersion]] = {}
        self._newest: dict[str, LiveVersion] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._statuses: dict[ModelId, tuple[VersionState, str]] = {}
        self._scanned = False

    @property
    def scanned(self) -> bool:
        """Whether everything that was on disk at the start has been loaded or has failed."""
        return self._scanned

    def finish_first_scan(self) -> None:
        """Say that what was on disk at the start has been dealt with."""
        if not self._scanned:
            self._scanned = True
            self._changes.notify()

    def live(self) -> tuple[LiveVersion, ...]:
        """Return all live versions, by name and number."""
        return tuple(
            versions[number] for _, versions in sorted(self._live.items()) for number in sorted(versions)
        )

    def get(self, model: ModelId) -> LiveVersion | None:
        """Return a live version, or None."""
        return self._live.get(model.name, {}).get(model.version)

    def publish(self, version: LiveVersion) -> LiveVersion | None:
        """Make a version answer; returns the one with the same number that it takes the place of."""
        versions = self._live.setdefault(version.model.name, {})
        replaced = versions.get(version.model.version)
        versions[version.model.version] = version
        self._newest[version.model.name] = versions[max(versions)]
        self.mark(version.model, "available")
        return replaced

    def retire(self, model: ModelId) -> LiveVersion:
        """Let no new request find a version; raises KeyError if it is not live."""
        versions = self._live[model.name]
        retired = versions.pop(model.version)
        if versions:
            self._newest[model.name] = versions[max(versions)]
        else:
            del self._live[model.name]
            del self._newest[model.name]
        self.mark(model, "draining")
        return retired

    def mark(self, model: ModelId, state: VersionState, reason: str = "") -> bool:
        """Say where a version stands; returns whether that is news."""
        if self._statuses.get(model) == (state, reason):
            return False
        self._statuses[model] = (state, reason)
        self._changes.notify()
        return True

    def state(self, model: ModelId) -> VersionState | None:
        """Return where a version stands, None if it is not known."""
        known = self._statuses.get(model)
        return known[0] if known else None

    def forget(self, model: ModelId) -> None:
        """Speak no more of a version that is neither live nor on disk."""
        if self._statuses.pop(model, None) is not None:
            self._changes.notify()

    def set_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Replace all labels: by model name, the version number that each label points to."""
        if labels != self._labels:
            self._labels = labels
            self._changes.notify()

    def labels(self, name: str) -> Mapping[str, int]:
        """Return the labels of a model and the version number that each points to."""
        return self._labels.get(name, {})

    def statuses(self) -> tuple[VersionStatus, ...]:
        """Return where every known version stands, by name and number."""
        return tuple(
            VersionStatus(model, state, reason, self._labels_of(model))
            for model, (state, reason) in sorted(
                self._statuses.items(), key=lambda item: (item[0].name, item[0].version)
            )
        )

    def summaries(self) -> tuple[ModelSummary, ...]:
        """Return every model that has a live version, with all its known versions."""
        statuses = self.statuses()
        return tuple(
            ModelSummary(
                name=name,
                word=newest.word,
                versions=tuple(status for status in statuses if status.model.name == name),
                metrics=dict(newest.loaded.manifest.metrics),
                created=newest.loaded.manifest.created,
            )
            for name, newest in sorted(self._newest.items())
        )

    def find(self, ref: ModelRef, word: Word | None = None) -> LiveVersion:
        """Return the version that the caller means, without holding it.

        With a `word`, the version must answer it. Raises Invalid, NotFound, Unavailable and Unsupported, with
        field `model`, `version` or `label`.
        """
        name = ref.name
        if name is None:
            name = self._only_model(word)
        if ref.version is None and ref.label is None:
            found = self._newest.get(name)
            if found is None:
                raise self._no_model(name)
        else:
            found = self._exactly(name, ref)
        if word is not None and word not in ("predict", found.word):
            raise Unsupported(f"model '{name}' does {found.word}, not {word}", field="model")
        return found

    def _only_model(self, word: Word | None) -> str:
        able = [name for name, version in self._newest.items() if version.word == word]
        if not able and word in ("predict", None):
            able = list(self._newest)
        if len(able) == 1:
            return able[0]
        if able:
            raise Invalid(f"several models answer: name one of {_listed(sorted(able))}", field="model")
        if not self._scanned or self._any_loading():
            raise Unavailable("models are still loading", field="model", retry_after_s=RETRY_AFTER_S)
        raise NotFound(f"no model here answers {word}" if word else "there are no models here", field="model")

    def _exactly(self, name: str, ref: ModelRef) -> LiveVersion:
        versions = self._live.get(name)
        if ref.version is not None and ref.label is not None:
            raise Invalid("name a version or a label, not both", field="label")
        if versions is None:
            raise self._no_model(name)
        if ref.version is not None:
            number, field = ref.version, "version"
        else:
            field = "label"
            labels = self._labels.get(name, {})
            pointed = labels.get(ref.label or "")
            if pointed is None:
                known = _listed(sorted(labels)) if labels else "none"
                raise NotFound(f"model '{name}' has no label {shown(ref.label)}; known: {known}", field=field)
            number = pointed
        found = versions.get(number)
        if found is None:
            raise self._no_version(ModelId(name, number), field)
        return found

    def _no_model(self, name: str) -> ServiceError:
        states = {state for model, (state, _) in self._statuses.items() if model.name == name}
        if "loading" in states or (not states and not self._scanned):
            return Unavailable(f"model {shown(name)} is loading", field="model", retry_after_s=RETRY_AFTER_S)
        if states:
            return Unavailable(
                f"no version of model {shown(name)} is available", field="model", retry_after_s=RETRY_AFTER_S
            )
        return NotFound(f"there is no model {shown(name)}", field="model")

    def _no_version(self, model: ModelId, field: str) -> ServiceError:
        state, _ = self._statuses.get(model, (None, ""))
        if state == "loading":
            return Unavailable(
                f"version {model.version} of model '{model.name}' is loading",
                field=field,
                retry_after_s=RETRY_AFTER_S,
            )
        available = _listed([str(number) for number in sorted(self._live[model.name])])
        return NotFound(
            f"version {model.version} of model '{model.name}' is not available; available: {available}",
            field=field,
        )

    def _any_loading(self) -> bool:
        return any(state == "loading" for state, _ in self._statuses.values())

    def _labels_of(self, model: ModelId) -> tuple[str, ...]:
        labels = self._labels.get(model.name, {})
        return tuple(sorted(label for label, number in labels.items() if number == model.version))


def shown(name: str | None) -> str:
    """Return what a caller called something, fit for a message: quoted, escaped, and not longer than needed."""
    text = str(name)
    return ascii(text if len(text) <= 64 else text[:61] + "...")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

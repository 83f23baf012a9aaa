"""What a comparison varies: settings, each with the values it takes, and all their combinations.

Knows texts and settings, nothing of trainings.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import SettingsError
from training.job import Job, Profile, Settings
from training.settings import parse_pairs, resolve

MOST = 1000
"""More trainings than this in one comparison are taken for a slip of the keyboard."""
_COMMA = re.compile(r",(?![^\[]*\])")  # not one inside [16,8]
_ELSEWHERE = {"seed": "--seeds says how many", "data": "all are trained on the same; use --data"}


@dataclass(frozen=True, slots=True)
class Variation:
    """A setting and the values that it takes, each as it was written and as it was read."""

    key: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a comparison: `chosen` are the varied settings as they were written, by key."""

    chosen: Mapping[str, str]
    settings: Settings

    @property
    def name(self) -> str:
        """A name for its run: readable, and another for other settings."""
        words = [f"{key}-{text}" for key, text in self.chosen.items()]
        readable = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(words)).strip("-")[:80]
        resolved = json.dumps(self.settings.model_dump(mode="json"), sort_keys=True)
        digest = hashlib.sha256(resolved.encode()).hexdigest()[:8]
        return f"{readable}-seed-{self.settings.seed}-{digest}"


@dataclass(frozen=True, slots=True)
class Layers:
    """Where settings come from besides what is varied: see `settings.resolve`."""

    profile: Profile
    config: Path | None = None
    pairs: Sequence[str] = ()
    data: str | None = None


def parse(texts: Iterable[str]) -> list[Variation]:
    """Return what `key=value,value` texts vary; raises SettingsError."""
    found: dict[str, Variation] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not (key and equals and values):
            raise SettingsError(f"--vary {text}: expected key=value,value")
        if key in _ELSEWHERE:
            raise SettingsError(f"'{key}' is not varied with --vary: {_ELSEWHERE[key]}")
        if key in found:
            raise SettingsError(f"--vary has '{key}' twice; give all its values at once")
        found[key] = Variation(key, _values(key, [each.strip() for each in _COMMA.split(values)]))
    if not found:
        raise SettingsError("nothing is varied; expected --vary key=value,value")
    return list(found.values())


def _values(key: str, texts: Sequence[str]) -> Mapping[str, object]:
    for text in texts:
        if not text:
            raise SettingsError(f"--vary {key}: a value between commas is empty")
        if texts.count(text) > 1:
            raise SettingsError(f"--vary {key}: the value {text} is there twice")
    return {text: parse_pairs([f"{key}={text}"])[key] for text in texts}


def trials(
    job: Job[Any, Any], variations: Sequence[Variation], layers: Layers, seeds: int
) -> list[list[Trial]]:
    """Return the trainings of each combination, one for each seed; raises SettingsError before any is made.

    Seeds count up from the one that the settings have.
    """
    total = seeds
    for variation in variations:
        total *= len(variation.values)
    if total > MOST:
        raise SettingsError(f"{total} trainings are asked for; a comparison has at most {MOST}")
    found = []
    for texts in itertools.product(*(variation.values for variation in variations)):
        chosen = {variation.key: text for variation, text in zip(variations, texts, strict=True)}
        read = {variation.key: variation.values[chosen[variation.key]] for variation in variations}
        found.append(_seeded(job, chosen, _resolve(job, layers, chosen, read), seeds))
    _refuse_equal(found)
    return found


def _resolve(
    job: Job[Any, Any], layers: Layers, chosen: Mapping[str, str], read: Mapping[str, object]
) -> Settings:
    try:
        settings: Settings = resolve(
            job, layers.profile, config=layers.config, pairs=layers.pairs, data=layers.data, varied=read
        )
    except SettingsError as error:
        raise SettingsError(f"{in_words(chosen)}: {error}") from error
    return settings


def _seeded(job: Job[Any, Any], chosen: Mapping[str, str], settings: Settings, seeds: int) -> list[Trial]:
    values = settings.model_dump()
    return [
        Trial(chosen, job.settings.model_validate(values | {"seed": settings.seed + number}))
        for number in range(seeds)
    ]


def _refuse_equal(found: Sequence[Sequence[Trial]]) -> None:
    known: dict[str, Mapping[str, str]] = {}
    for first, *_ in found:
        resolved = first.settings.model_dump_json()
        if resolved in known:
            raise SettingsError(f"{in_words(known[resolved])} and {in_words(first.chosen)} are the same")
        known[resolved] = first.chosen


def in_words(chosen: Mapping[str, str]) -> str:
    """Return `units=32 cell=gru`."""
    return " ".join(f"{key}={text}" for key, text in chosen.items())

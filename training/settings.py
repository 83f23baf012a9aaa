"""Resolve a job's settings: class defaults < profile < TOML file < `key=value` pairs < what a comparison varies.

Knows nothing of what a setting means. A misspelt key or an impossible value stops the start.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from training import formats
from training.errors import SettingsError
from training.job import Job, Profile, Settings

S = TypeVar("S", bound=Settings)


def resolve(
    job: Job[S, Any],
    profile: Profile,
    *,
    config: Path | None = None,
    pairs: Iterable[str] = (),
    data: str | None = None,
    varied: Mapping[str, object] | None = None,
) -> S:
    """Return the settings of one run of `job`; raises SettingsError that names the key, FormatError if there is nothing
    to begin with.

    `config` is a TOML file of keys and values, `pairs` are `key=value`, `varied` is what a comparison chose,
    `data` is `--data`.
    """
    values: dict[str, object] = {"profile": profile, **job.profiles[profile]}
    if config is not None:
        values |= _known(job.settings, read_toml(config), f"in {config.name}")
    values |= _known(job.settings, parse_pairs(pairs), "in --set")
    values |= _known(job.settings, varied or {}, "in --vary")
    if data is not None:
        values["data"] = data
    try:
        settings = job.settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explain(error, values)) from error
    if settings.start is not None:
        formats.kind(Path(settings.start))
    return settings


def read_toml(path: Path) -> dict[str, object]:
    """Return the keys and values of a TOML file; raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"settings file {path} cannot be read: {reason}") from error


def parse_pairs(pairs: Iterable[str]) -> dict[str, object]:
    """Return `key=value` texts as a dictionary; a value is TOML where it can be, otherwise text."""
    values: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"--set {pair}: expected key=value")
        values[key.strip()] = _parse_value(text.strip())
    return values


def _parse_value(text: str) -> object:
    if text.lower() == "none":
        return None  # TOML has no null, and `patience=none` must be sayable
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _known(settings: type[Settings], values: Mapping[str, object], where: str) -> Mapping[str, object]:
    for key in values:
        if key == "profile":
            raise SettingsError(f"'profile' {where}: a profile is chosen with --profile")
        if key not in settings.model_fields:
            known = ", ".join(sorted(settings.model_fields.keys() - {"profile"}))
            raise SettingsError(f"unknown setting '{key}' {where}; known are {known}")
    return values


def _explain(error: ValidationError, values: Mapping[str, object]) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"setting '{key}': {message}, got {values.get(key, first['input'])!r}" if key else message

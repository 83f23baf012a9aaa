"""Read settings from flags, environment and a TOML file, and say whose mistake a mistake is.

Knows no single setting: everything is derived from the fields of `Settings`. Flags win over the environment,
the environment over the file, the file over a standard's variables, and those over the defaults.

`http.port` is the flag `--http-port`, the variable `SLUICE_HTTP__PORT` and the key `port` of table `[http]`.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeGuard, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from service.config.settings import Settings
from service.config.url import without_secrets

PREFIX = "SLUICE_"
CONFIG_VARIABLE = "SLUICE_CONFIG"
_SERVICE_LINK = re.compile(
    r"SLUICE(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_[0-9]+_(TCP|UDP)(_[A-Z]+)?)=.*"
    r"|SLUICE(_[A-Z0-9_]+)?_PORT=(tcp|udp)://.*",
    re.DOTALL,
)
"""What Kubernetes sets in every pod beside a Service that is called `sluice` or `sluice-…`: no mistake of ours."""

Location = tuple[str, ...]


class ConfigError(Exception):
    """The configuration cannot be used; the message names the flag, variable or key and what was expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting is to be, and what to call where that was said."""

    value: Any
    source: str


def read(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    further: Mapping[Location, Value] | None = None,
    implied: Mapping[Location, Value] | None = None,
) -> Settings:
    """Return the settings; raises ConfigError for anything misspelt, malformed or out of range.

    `further` are values of flags that somebody else has read: one that a flag of ours sets too is a mistake.
    `implied` are defaults instead of ours. `--help` among the arguments prints every flag with its default and
    raises SystemExit(0).
    """
    flags, config = _read_flags(arguments)
    for location, value in (further or {}).items():
        if location in flags:
            dotted = ".".join(location)
            raise ConfigError(
                f"{flags[location].source} and {value.source} both set '{dotted}': leave one out"
            )
    variables = _read_environment(environment)
    path = config or environment.get(CONFIG_VARIABLE)
    told = _read_foreign(environment) | (_read_file(Path(path)) if path else {}) | variables | flags
    values = {**(implied or {}), **told, **(further or {})}
    try:
        return Settings.model_validate(_nest(values))
    except ValidationError as error:
        raise ConfigError(_explain(error, values)) from error


def leaves() -> Iterator[tuple[Location, FieldInfo]]:
    """Yield every setting: its location and its field."""
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if _is_group(group):
            yield from (((name, leaf), info) for leaf, info in group.model_fields.items())
        else:
            yield (name,), field


def _is_group(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _flag(location: Location) -> str:
    return "--" + "-".join(location).replace("_", "-")


def _variable(location: Location) -> str:
    return PREFIX + "__".join(location).upper()


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m service",
        usage="%(prog)s [--config FILE] [--models DIRECTORY] [--GROUP-SETTING VALUE ...]",
        description="Serve a directory of models over REST and gRPC.",
        epilog=f"Each setting is also an environment variable ({PREFIX}HTTP__PORT) and a key of the TOML"
        " file ([http] port). Flags win over variables, variables over the file. Flags of"
        " tensorflow_model_server are understood too; docs/compatibility.md has their table.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings (SLUICE_CONFIG)")
    groups = {
        name: parser.add_argument_group(name, field.annotation.__doc__)
        for name, field in Settings.model_fields.items()
        if _is_group(field.annotation)
    }
    for location, field in leaves():
        groups.get(location[0], parser).add_argument(
            _flag(location),
            dest=".".join(location),
            metavar=_shown_choices(field),
            default=argparse.SUPPRESS,
            help=f"{field.description} [{_shown_default(field)}]".replace("%", "%%"),
        )
    return parser


def _shown_choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return "{" + ",".join(get_args(field.annotation)) + "}"
    return "VALUE"


def _shown_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return str(default).lower()
    return "unset" if default in (None, {}) else str(default)


def _read_flags(arguments: Sequence[str]) -> tuple[dict[Location, Value], str | None]:
    parsed, unknown = _parser().parse_known_args(arguments)
    known = {_flag(location): location for location, _ in leaves()}
    for argument in unknown:
        name = argument.split("=", 1)[0]
        raise ConfigError(f"unknown flag '{name}'{_nearest(name, [*known, '--config'])}")
    given = vars(parsed)
    config: str | None = given.pop("config")
    values = {}
    for dotted, text in given.items():
        location = tuple(dotted.split("."))
        source = f"flag {_flag(location)}"
        values[location] = Value(_parse_text(location, text, source), source)
    return values, config


def _read_environment(environment: Mapping[str, str]) -> dict[Location, Value]:
    known = {_variable(location): location for location, _ in leaves()}
    values = {}
    for name, text in sorted(environment.items()):
        if not name.upper().startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        if name not in known and _SERVICE_LINK.fullmatch(f"{name}={text}"):
            continue
        if name not in known:
            raise ConfigError(f"unknown environment variable '{name}'{_nearest(name, known)}")
        source = f"environment variable {name}"
        values[known[name]] = Value(_parse_text(known[name], text, source), source)
    return values


def _read_foreign(environment: Mapping[str, str]) -> dict[Location, Value]:
    """Return what variables say that are not ours, but a standard's; an empty one says nothing."""
    values = {}
    for location, field in leaves():
        extra = field.json_schema_extra
        names = cast("list[str]", extra["variables"]) if isinstance(extra, dict) else []
        told = next((name for name in names if environment.get(name)), None)
        if told is not None:
            values[location] = Value(environment[told], f"environment variable {told}")
    return values


def _read_file(path: Path) -> dict[Location, Value]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration file '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file '{path}' is not TOML: {error}") from error
    known = {location for location, _ in leaves()}
    groups = {location[0] for location in known if len(location) == 2}
    values = {}
    for location, value in _keys(document, groups):
        dotted = ".".join(location)
        if location not in known:
            names = [".".join(each) for each in known]
            raise ConfigError(f"unknown key '{dotted}' in '{path}'{_nearest(dotted, names)}")
        values[location] = Value(value, f"key '{dotted}' in '{path}'")
    return values


def _keys(document: Mapping[str, Any], groups: set[str]) -> Iterator[tuple[Location, Any]]:
    for name, value in document.items():
        if name in groups and isinstance(value, Mapping):
            yield from (((name, key), inner) for key, inner in value.items())
        else:
            yield (name,), value


def _parse_text(location: Location, text: str, source: str) -> Any:
    """Return what `text` stands for; only settings that are mappings need more than pydantic's own reading."""
    field = dict(leaves())[location]
    if not isinstance(field.get_default(call_default_factory=True), dict):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: expected a JSON object: {error}") from error


def _nest(values: Mapping[Location, Value]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for (*groups, name), held in values.items():
        target = nested
        for group in groups:
            target = target.setdefault(group, {})
        target[name] = held.value
    return nested


def _explain(error: ValidationError, values: Mapping[Location, Value]) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    where = tuple(str(part) for part in first["loc"])
    for length in (2, 1):
        held = values.get(where[:length])
        if held is not None:
            inner = "".join(f", '{part}'" for part in where[length:])
            given = first["input"]
            shown = without_secrets(given) if isinstance(given, str) else given
            return f"{held.source}{inner}: {message}, got {shown!r}"
    return f"settings: {message}"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""

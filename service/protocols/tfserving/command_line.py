"""Understand the command line and the environment of a TensorFlow Serving, in terms of our settings.

Knows its flags, how they are written, and the entry point of its image. Its flags may stand among ours; what is not one
of them is left to `service.config`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from service.config import ConfigError, Place, Url, Value, is_url, without_secrets
from service.protocols.tfserving import flags
from service.protocols.tfserving.effects import EFFECTS, Understood
from service.protocols.tfserving.flags import Kind

GRPC_PORT = 8500
REST_PORT = 8501
EVERYWHERE = "0.0.0.0"  # noqa: S104  # a command line of TensorFlow Serving listens there
_MODEL_NAME = "MODEL_NAME"
_MODEL_BASE_PATH = "MODEL_BASE_PATH"
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def understand(arguments: Sequence[str], environment: Mapping[str, str]) -> Understood:
    """Return what a command line means; raises ConfigError for what is malformed or cannot be obeyed.

    It is one of TensorFlow Serving if it says which models or ports in its way, or if the environment says which
    model as its image has it. Then, unless anything else says otherwise, gRPC listens on 8500 and REST on 8501, on
    all addresses, and there is no models directory.
    """
    given, rest = _take(arguments)
    if given.get("batching_parameters_file") and given.get("enable_batching") != "true":
        raise ConfigError("flag --batching_parameters_file is set without setting --enable_batching to true")
    found = Understood(rest, wants_version=given.get("version") == "true")
    for name, text in given.items():
        _apply(found, name, text)
    theirs = _choose_models(found, given, environment) or not given.keys().isdisjoint(
        {"port", "rest_api_port"}
    )
    if theirs:
        _imply(found)
    return found


def _take(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return their flags with their values, the last of each, and all other arguments."""
    given: dict[str, str] = {}
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        written, equals, text = argument.partition("=")
        name = written.removeprefix("-").removeprefix("-")
        kind = flags.kind_of(name) if name != written else None
        if kind is None:
            rest.append(argument)
            continue
        if not equals:
            text = _next(name, kind, waiting)
        given[name] = _checked(name, kind, text)
    return given, rest


def _next(name: str, kind: Kind, waiting: list[str]) -> str:
    if kind == "bool":
        return waiting.pop(0) if waiting and waiting[0].lower() in {"true", "false"} else "true"
    if not waiting:
        raise ConfigError(f"flag --{name}: expected a value")
    return waiting.pop(0)


def _checked(name: str, kind: Kind, text: str) -> str:
    if kind == "bool":
        if text.lower() not in _TRUTHS:
            raise ConfigError(f"flag --{name}: expected true or false, got '{text}'")
        return str(_TRUTHS[text.lower()]).lower()
    if kind == "number":
        try:
            float(text)
        except ValueError as error:
            raise ConfigError(f"flag --{name}: expected a number, got '{text}'") from error
    return text


def _apply(found: Understood, name: str, text: str) -> None:
    refused, ignored = flags.REFUSED.get(name), flags.WITHOUT_EFFECT.get(name)
    if refused is not None and text not in refused.harmless:
        raise ConfigError(f"flag --{name}: {refused.why}")
    if ignored is not None and text not in ignored.harmless:
        found.notes.append(f"--{name} has no effect: {ignored.why}")
    effect = EFFECTS.get(name)
    if effect is not None:
        effect(found, text, f"flag --{name}")


def _choose_models(found: Understood, given: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Set the one model of flags or environment; returns whether they, or a file, say which models to serve."""
    name, base = given.get("model_name"), given.get("model_base_path")
    if given.get("model_config_file"):
        if name or base:
            found.notes.append("--model_name and --model_base_path are ignored beside --model_config_file")
        return True
    if base:
        name = name or environment.get(_MODEL_NAME) or "default"
        source = "flag --model_base_path"
        found.put(("repository", "base_paths"), {name: _place(base, source)}, source)
        return True
    return _choose_by_environment(found, name, environment)


def _choose_by_environment(found: Understood, name: str | None, environment: Mapping[str, str]) -> bool:
    """Do as the entry point of TensorFlow Serving's image does."""
    home, default = environment.get(_MODEL_BASE_PATH), environment.get(_MODEL_NAME)
    if not (home or default):
        if name:
            raise ConfigError("flag --model_name: expected --model_base_path with it")
        return False
    if any(argument.split("=")[0] == "--models" for argument in found.arguments):
        found.notes.append(f"{_MODEL_NAME} and {_MODEL_BASE_PATH} have no effect beside --models")
        return False
    source = f"environment variable {_MODEL_NAME if default else _MODEL_BASE_PATH}"
    default = default or "model"
    path = _place(f"{home or '/models'}/{default}", source)
    found.implied["repository", "base_paths"] = Value({name or default: path}, source)
    return True


def _place(path: str, source: str) -> Place:
    """Return the directory, made absolute, or the URL; raises ConfigError if it is one that cannot be read."""
    if not is_url(path):
        return Path(path).absolute()
    try:
        return Url.read(path)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}, got '{without_secrets(path)}'") from error


def _imply(found: Understood) -> None:
    source = "TensorFlow Serving's default"
    for location, value in (
        (("grpc", "host"), EVERYWHERE),
        (("http", "host"), EVERYWHERE),
        (("grpc", "port"), GRPC_PORT),
        (("http", "port"), REST_PORT),
    ):
        found.implied.setdefault(location, Value(value, source))
    if ("repository", "base_paths") in found.values.keys() | found.implied.keys() or (
        ("repository", "model_config_file") in found.values
    ):
        found.implied["models",] = Value(None, source)

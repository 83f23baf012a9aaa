"""What each served flag of TensorFlow Serving sets among our settings.

Knows values and files. Knows nothing of how flags are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pb import tfserving_pb2
from service.config import ConfigError, Location, Settings, Value
from service.protocols.tfserving import batching_config, config_files, model_config

METRICS_PATH = "/monitoring/prometheus/metrics"
NEVER_S = 1e9


@dataclass(slots=True)
class Understood:
    """What `service.config` is to read: our own arguments, what theirs set, and what they imply if nobody says more.

    `notes` are for the log: what was given and has no effect here.
    """

    arguments: list[str]
    values: dict[Location, Value] = field(default_factory=dict)
    implied: dict[Location, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wants_version: bool = False

    def put(self, location: Location, value: Any, source: str) -> None:
        """Set one of our settings; raises ConfigError if another flag has set it."""
        held = self.values.get(location)
        if held is not None:
            raise ConfigError(f"{held.source} and {source} both set '{'.'.join(location)}': leave one out")
        self.values[location] = Value(value, source)


Effect = Callable[[Understood, str, str], None]
"""Sets something for the text of a flag and what to call it."""


def _port(group: str) -> Effect:
    def effect(found: Understood, text: str, source: str) -> None:
        if text == "0":
            found.notes.append(f"{source[5:]}=0 does not switch {group} off: it listens on this machine only")
            found.implied[group, "host"] = Value("127.0.0.1", source)
            found.implied[group, "port"] = Value(0, source)
        else:
            found.put((group, "port"), text, source)

    return effect


def _set(*location: str) -> Effect:
    def effect(found: Understood, text: str, source: str) -> None:
        if text:
            found.put(location, text, source)

    return effect


def _threads(found: Understood, text: str, source: str) -> None:
    if text != "0":
        found.put(("engine", "threads"), text, source)


def _rest_timeout(found: Understood, text: str, source: str) -> None:
    timeout_s = float(text) / 1000
    found.put(("http", "timeout_s"), timeout_s, source)
    if timeout_s > Settings().limits.max_timeout_s:
        found.implied["limits", "max_timeout_s"] = Value(timeout_s, source)


def _poll(found: Understood, text: str, source: str) -> None:
    found.put(("repository", "poll_interval_s"), NEVER_S if float(text) == 0 else text, source)


def _channel_arguments(found: Understood, text: str, source: str) -> None:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if not all(name and equals for name, equals, _ in pairs):
        raise ConfigError(f"{source}: expected name=value,name=value, got '{text}'")
    found.put(("grpc", "channel_arguments"), {name: value for name, _, value in pairs}, source)


def _batching(found: Understood, text: str, source: str) -> None:
    if not text:
        return
    batching = config_files.parsed(text, source, batching_config.read)
    for name, value in batching.engine.items():
        found.put(("engine", name), value, source)
    found.notes.extend(f"in {source[5:]}, {part}" for part in batching.without_effect)


def _monitoring(found: Understood, text: str, source: str) -> None:
    if not text:
        return
    config = config_files.parsed(
        text, source, lambda content: model_config.parse(content, tfserving_pb2.MonitoringConfig)
    )
    if config.prometheus_config.enable:
        found.put(("http", "metrics_path"), config.prometheus_config.path or METRICS_PATH, source)


def _enable_batching(found: Understood, text: str, source: str) -> None:
    if text == "false":
        found.notes.append(f"{source[5:]}=false has no effect: requests that wait share a run")


EFFECTS: Mapping[str, Effect] = {
    "port": _port("grpc"),
    "rest_api_port": _port("http"),
    "grpc_socket_path": _set("grpc", "socket_path"),
    "grpc_channel_arguments": _channel_arguments,
    "rest_api_timeout_in_ms": _rest_timeout,
    "enable_batching": _enable_batching,
    "batching_parameters_file": _batching,
    "monitoring_config_file": _monitoring,
    "model_config_file": _set("repository", "model_config_file"),
    "model_config_file_poll_wait_seconds": _set("repository", "model_config_poll_s"),
    "file_system_poll_wait_seconds": _poll,
    "tensorflow_session_parallelism": _threads,
    "tensorflow_intra_op_parallelism": _threads,
}

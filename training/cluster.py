"""Who trains together: devices of one machine, or the machines that `TF_CONFIG` names.

Knows options and one environment variable, nothing of TensorFlow. The variable's form is TensorFlow's own:
{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}, where a "chief" may come first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from training.errors import StrategyError

Strategy = Literal["mirrored", "multiworker"]
VARIABLE = "TF_CONFIG"
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):(\d{1,5})")
_FORM = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True, slots=True)
class Cluster:
    """The addresses of all workers, the chief first, and which of them this process is."""

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process keeps the run directory."""
        return self.index == 0


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices of this machine: `count` of them, or all."""

    count: int | None = None


Team = Devices | Cluster | None


def team(strategy: Strategy | None, devices: int | None, environment: Mapping[str, str]) -> Team:
    """Return who trains together as the options say, None for one alone; raises StrategyError."""
    if devices is not None and strategy != "mirrored":
        raise StrategyError("--devices goes with --strategy mirrored")
    if strategy is None:
        return None
    return Devices(devices) if strategy == "mirrored" else read(environment)


def read(environment: Mapping[str, str]) -> Cluster:
    """Return the cluster of this process; raises StrategyError that says what is wrong with `TF_CONFIG`."""
    text = environment.get(VARIABLE)
    if text is None:
        raise StrategyError(f"--strategy multiworker needs the environment variable {VARIABLE}: {_FORM}")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise StrategyError(f"{VARIABLE} is not JSON: {error}") from error
    cluster, task = _part(config, "cluster"), _part(config, "task")
    addresses = {kind: _addresses(kind, found) for kind, found in cluster.items()}
    if "worker" not in addresses and "chief" not in addresses:
        raise StrategyError(f"{VARIABLE}: 'cluster' names no worker; expected {_FORM}")
    chiefs, workers = addresses.get("chief", ()), addresses.get("worker", ())
    if len(chiefs) > 1 or len({*chiefs, *workers}) < len(chiefs + workers):
        raise StrategyError(f"{VARIABLE}: 'cluster' has more than one chief, or an address twice")
    kind, index = task.get("type"), task.get("index")
    if kind not in addresses:
        raise StrategyError(f"{VARIABLE}: the task's type is {kind!r}; expected one of {sorted(addresses)}")
    if type(index) is not int or not 0 <= index < len(addresses[kind]):
        raise StrategyError(
            f"{VARIABLE}: the task's index is {index!r}; expected 0 to {len(addresses[kind]) - 1}"
        )
    return Cluster(chiefs + workers, index + (len(chiefs) if kind == "worker" else 0))


def _part(config: object, name: str) -> Mapping[str, object]:
    part = config.get(name) if isinstance(config, dict) else None
    if not isinstance(part, dict):
        raise StrategyError(f"{VARIABLE} has no object '{name}'; expected {_FORM}")
    return part


def _addresses(kind: str, found: object) -> tuple[str, ...]:
    if kind not in {"chief", "worker"}:
        raise StrategyError(f"{VARIABLE}: 'cluster' has '{kind}'; expected worker, and at most one chief")
    if not isinstance(found, list) or not found:
        raise StrategyError(f"{VARIABLE}: '{kind}' must be a list of host:port")
    for address in found:
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or not 0 < int(match[2]) < 2**16:
            raise StrategyError(f"{VARIABLE}: {address!r} is no address; expected host:port")
    return tuple(found)

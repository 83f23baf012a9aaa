"""Which path means what.

Pure: from a path to an action and a model. Knows no handler.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "v2"

METHODS: dict[str, frozenset[str]] = {
    "server": frozenset({"GET"}),
    "live": frozenset({"GET"}),
    "ready": frozenset({"GET"}),
    "all_statistics": frozenset({"GET"}),
    "index": frozenset({"POST"}),
    "load": frozenset({"POST"}),
    "unload": frozenset({"POST"}),
    "trace": frozenset({"GET", "POST"}),
    "logging": frozenset({"GET", "POST"}),
    "model": frozenset({"GET"}),
    "model_ready": frozenset({"GET"}),
    "config": frozenset({"GET"}),
    "statistics": frozenset({"GET"}),
    "model_trace": frozenset({"GET", "POST"}),
    "infer": frozenset({"POST"}),
    "generate": frozenset({"POST"}),
    "generate_stream": frozenset({"POST"}),
    "region_status": frozenset({"GET"}),
    "region_register": frozenset({"POST"}),
    "region_unregister": frozenset({"POST"}),
    "cuda_status": frozenset({"GET"}),
    "cuda_register": frozenset({"POST"}),
    "cuda_unregister": frozenset({"POST"}),
}
"""The methods of every action."""
REGION_ACTIONS = frozenset(action for action in METHODS if action.startswith(("region_", "cuda_")))
"""Actions upon shared memory, not upon a model."""

_FIXED = {
    (): "server",
    ("health", "live"): "live",
    ("health", "ready"): "ready",
    ("models", "stats"): "all_statistics",
    ("repository", "index"): "index",
    ("trace", "setting"): "trace",
    ("logging",): "logging",
}
_OF_MODEL = {
    (): "model",
    ("ready",): "model_ready",
    ("config",): "config",
    ("stats",): "statistics",
    ("trace", "setting"): "model_trace",
    ("infer",): "infer",
    ("generate",): "generate",
    ("generate_stream",): "generate_stream",
}


@dataclass(frozen=True, slots=True)
class Route:
    """What is to be done, and with which model or region; `version` "" is the default one."""

    action: str
    name: str = ""
    version: str = ""


def find(path: str) -> Route | None:
    """Return what a path means, None if nothing."""
    parts = tuple(path.split("/")[2:])
    if parts == ("",):
        parts = ()  # `/v2/`
    fixed = _FIXED.get(parts)
    if fixed is not None:
        return Route(fixed)
    if len(parts) == 4 and parts[:2] == ("repository", "models") and parts[3] in {"load", "unload"}:
        return Route(parts[3], parts[2])
    if parts[0] in {"systemsharedmemory", "cudasharedmemory"}:
        return _of_region(parts)
    return _of_model(parts)


def _of_model(parts: tuple[str, ...]) -> Route | None:
    if len(parts) < 2 or parts[0] != "models":
        return None
    name, version, rest = parts[1], "", parts[2:]
    if len(rest) >= 2 and rest[0] == "versions":
        version, rest = rest[1], rest[2:]
        if not version:
            return None
    action = _OF_MODEL.get(rest)
    if action is None or not name or (action == "model_trace" and version):
        return None
    return Route(action, name, version)


def _of_region(parts: tuple[str, ...]) -> Route | None:
    whole = len(parts) == 2 and parts[1] in {"status", "unregister"}
    one = (
        len(parts) == 4
        and parts[1] == "region"
        and parts[2]
        and parts[3] in {"status", "register", "unregister"}
    )
    if not (whole or one):
        return None
    kind = "region" if parts[0] == "systemsharedmemory" else "cuda"
    return Route(f"{kind}_{parts[-1]}", parts[2] if one else "")

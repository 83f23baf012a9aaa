"""What the operations port says of models, as plain values.

Knows where versions stand. Knows no route.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from service.domain import VersionStatus

if TYPE_CHECKING:
    from service.gateway import Gateway


def readiness(gateway: Gateway, *, ready: bool) -> dict[str, Any]:
    """Return what `/readyz` says: whether to send traffic, and where each version stands."""
    return {"ready": ready, "draining": gateway.draining, "models": versions(gateway.statuses())}


def versions(statuses: Iterable[VersionStatus]) -> list[dict[str, Any]]:
    """Return where each version stands, with its labels and why it is not available."""
    return [
        {
            "name": status.model.name,
            "version": status.model.version,
            "state": status.state,
            "labels": list(status.labels),
            **({"reason": status.reason} if status.reason else {}),
        }
        for status in statuses
    ]

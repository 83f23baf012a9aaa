"""How much a caller may send and how long it may take, on every wire.

Knows no settings file and no wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Bounds of one request.

    `max_body_bytes` holds for an HTTP body and for a gRPC message that comes in. A call that names no
    deadline gets `default_timeout_s`; one that names a later one gets `max_timeout_s`. At most `max_rpcs`
    gRPC calls, open streams included, run at a time.
    """

    max_body_bytes: int = 64 * MEBIBYTE
    default_timeout_s: float = 60.0
    max_timeout_s: float = 600.0
    max_rpcs: int = 4096

    def patient(self) -> Self:
        """Return the limits of calls that may take long: one that names no deadline gets the latest."""
        return replace(self, default_timeout_s=self.max_timeout_s)

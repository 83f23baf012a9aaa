"""Where the versions of a model stand, in TensorFlow Serving's words; the model document speaks them too.

Knows states; knows no wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.domain import VersionState, VersionStatus

STATES: Mapping[VersionState, str] = {
    "loading": "LOADING",
    "available": "AVAILABLE",
    "draining": "UNLOADING",
    "failed": "END",
    "unloaded": "END",
}
"""Names of `tensorflow.serving.ModelVersionStatus.State`; a version that failed has ended with an error."""

OK = 0
UNKNOWN = 2
"""Of `google.rpc.Code`: what a version that failed to load has."""

_CODES = {OK: "OK", UNKNOWN: "UNKNOWN"}


def error_code(status: VersionStatus) -> int:
    """Return the code of a version's health."""
    return UNKNOWN if status.state == "failed" else OK


def documents(statuses: Iterable[VersionStatus]) -> list[dict[str, object]]:
    """Return `model_version_status` as JSON, in TensorFlow Serving's shape: newest version first."""
    return [
        {
            "version": str(status.model.version),
            "state": STATES[status.state],
            "status": {"error_code": _CODES[error_code(status)], "error_message": status.reason},
        }
        for status in sorted(statuses, key=lambda status: -status.model.version)
    ]

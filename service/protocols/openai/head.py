"""What every document of an answer begins with.

Knows names and times; knows nothing of what is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.domain import ModelId

LEAST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot say."""


@dataclass(frozen=True, slots=True)
class Head:
    """The answer's id, and when it began, in seconds since 1970."""

    id: str
    created: int

    def document(self, kind: str, model: ModelId, choices: list[Any], **more: Any) -> dict[str, Any]:
        """Return a document of an answer; the fingerprint tells model and version."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": model.name,
            "system_fingerprint": f"{model.name}-{model.version}",
            "choices": choices,
            **more,
        }


def sayable(logprob: float | None) -> float | None:
    """Return `logprob`, or the least that the wire can say; None stays None."""
    return None if logprob is None else max(logprob, LEAST_LOGPROB)

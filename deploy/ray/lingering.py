"""A registry in which a version that was retired answers a little longer to those who name it exactly.

Every ingress and every replica looks at the disk by itself: an ingress that has not looked yet still asks for the
version that a replica has just replaced. Knows time; knows nothing of Ray.
"""

from __future__ import annotations

import asyncio

from service.domain import ModelId, ModelRef, Word
from service.repository.changes import Changes
from service.repository.live import LiveVersion
from service.repository.registry import Registry


class LingeringRegistry(Registry):
    """Keeps what is retired findable, and open, for `linger_s`; it is in no list meanwhile."""

    def __init__(self, changes: Changes, linger_s: float) -> None:
        super().__init__(changes)
        self._linger_s = linger_s
        self._lingering: dict[ModelId, LiveVersion] = {}

    def retire(self, model: ModelId) -> LiveVersion:
        """Let no new request find a version but by its number; raises KeyError if it is not live."""
        live = super().retire(model)
        live.acquire()
        self._lingering[model] = live
        asyncio.get_running_loop().call_later(self._linger_s, self._let_go, live)
        return live

    def find(self, ref: ModelRef, word: Word | None = None) -> LiveVersion:
        """Return the version that the caller means, without holding it; raises as `Registry.find` does."""
        if ref.name is not None and ref.version is not None and ref.label is None:
            named = ModelId(ref.name, ref.version)
            lingering = self._lingering.get(named)
            if (
                lingering is not None
                and self.get(named) is None
                and word in (None, "predict", lingering.word)
            ):
                return lingering
        return super().find(ref, word)

    def _let_go(self, live: LiveVersion) -> None:
        if self._lingering.get(live.model) is live:
            del self._lingering[live.model]
        live.release()

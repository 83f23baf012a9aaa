"""Hand control of the repository to callers who show the key, and write down who asked for what.

Knows the key and one way to show it. Knows nothing of wires, or of what control does: every wire's admin calls
come through here, so that none is a way around it.
"""

from __future__ import annotations

import time

from service.config import Secret
from service.domain import Call
from service.errors import Forbidden, ServiceError, Unauthenticated
from service.gateway.throttle import Throttle
from service.observability import logs
from service.repository.control import Control


class Admin:
    """Guards `control`; with no `key`, admin calls are switched off."""

    def __init__(self, key: Secret | None = None, control: Control | None = None) -> None:
        self._key = key
        self._control = control
        self._log = logs.get("service.gateway.admin")
        self._throttle = Throttle(interval_s=1.0)

    @property
    def enabled(self) -> bool:
        """Whether anybody may make admin calls."""
        return self._key is not None and self._control is not None

    def control(self, action: str, call: Call) -> Control:
        """Return what does the action; raises Forbidden when switched off, Unauthenticated without the key.

        The key is shown as an `authorization` of the form `Bearer KEY` (RFC 6750).
        """
        try:
            control = self._admitted(call.credentials)
        except ServiceError as error:
            suppressed = self._throttle.admit((action, error.code), time.monotonic())
            if suppressed is not None:
                self._log.warning(
                    "admin_refused", **_named(action, call), code=error.code.value, suppressed=suppressed
                )
            raise
        self._log.info("admin_call", **_named(action, call))
        return control

    def _admitted(self, credentials: str) -> Control:
        if self._key is None or self._control is None:
            raise Forbidden("admin calls are not allowed: they are switched off on this server")
        scheme, _, shown = credentials.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("admin calls need a key: authorization: Bearer KEY", field="authorization")
        if not self._key.matches(shown.strip()):
            raise Unauthenticated("this is not the key of admin calls", field="authorization")
        return self._control


def _named(action: str, call: Call) -> dict[str, object]:
    return {"action": action, "request_id": call.request_id, "protocol": call.protocol}

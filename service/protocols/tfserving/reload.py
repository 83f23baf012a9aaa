"""HandleReloadConfigRequest: serve exactly the models that a caller with the key lists.

Knows the message and what counts as done. Knows nothing of how versions are loaded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pb import tfserving_pb2
from service.config import Place, Url
from service.domain import Call, ModelId, VersionStatus
from service.errors import Invalid, Unavailable
from service.protocols import rpc
from service.protocols.tfserving import model_config
from service.protocols.tfserving.model_config import Served

if TYPE_CHECKING:
    from service.gateway import Gateway


class Reload:
    """Answers one method; base paths must lie below `roots`, whoever asks."""

    def __init__(self, gateway: Gateway, roots: Sequence[Place]) -> None:
        self._gateway = gateway
        self._roots = tuple(root for root in roots if isinstance(root, Path))
        self._urls = tuple(root for root in roots if isinstance(root, Url))

    async def handle(self, message: bytes, call: Call) -> bytes:
        """ReloadConfigRequest to ReloadConfigResponse, when the configuration is in force.

        Models that are not listed are unloaded, those of the models directory too. A listed model without a version
        that answers is Unavailable, and the configuration stays; a label that would point to a version that
        does not answer is Invalid, and the configuration before it comes back.
        """
        control = self._gateway.control("reload_config", call)
        body = rpc.parse(tfserving_pb2.ReloadConfigRequest, message)
        listed = model_config.served(body.config)
        await asyncio.to_thread(self._check_places, listed)
        before = control.rules
        adopted = listed.rules(before, shelf=False)
        # Returns when every version is live or has failed: which of them matter is decided here, not there.
        with suppress(Invalid):
            await control.reconfigure(adopted, call.deadline_at_s)
        # One with a reason goes on with its former files: what is listed now did not load.
        statuses = self._gateway.statuses()
        available = {each.model for each in statuses if each.state == "available" and not each.reason}
        wrong = _unavailable_label(listed, available)
        if wrong is not None:
            # Unless somebody has asked for something else meanwhile, who was told that it is in force.
            if control.rules is adopted:
                with suppress(Invalid):
                    await control.reconfigure(before, call.deadline_at_s)
            raise wrong
        _check_available(listed, available, statuses)
        reply = tfserving_pb2.ReloadConfigResponse(status=tfserving_pb2.StatusProto())
        serialized: bytes = reply.SerializeToString()
        return serialized

    def _check_places(self, listed: Served) -> None:
        roots = [os.path.realpath(root) for root in self._roots]  # unlike Path.resolve, no error for loops
        for name, path in listed.base_paths.items():
            if isinstance(path, Url):
                allowed = any(path.is_below(url) for url in self._urls)
            else:
                place = Path(os.path.realpath(path))
                allowed = any(place.is_relative_to(root) for root in roots)
            if not allowed:
                kind = "URL" if isinstance(path, Url) else "directory"
                raise Invalid(
                    f"base_path of model {name}: expected a {kind} below one that this server was started with",
                    field=f"config.{name}",
                )


def _unavailable_label(listed: Served, available: set[ModelId]) -> Invalid | None:
    for name, labels in listed.labels.items():
        for label, version in labels.items():
            if ModelId(name, version) not in available:
                return Invalid(
                    f"Request to assign label to version {version} of model {name}, which is not currently "
                    "available for inference",
                    field=f"config.{name}.{label}",
                )
    return None


def _check_available(listed: Served, available: set[ModelId], statuses: Iterable[VersionStatus]) -> None:
    """Raise Unavailable if a listed model has no version that answers, or not all that it lists by number."""
    reasons = {status.model: status.reason for status in statuses if status.reason}
    failed = []
    for name in listed.base_paths:
        policy = listed.policies.get(name)
        asked = {ModelId(name, version) for version in policy.versions} if policy else set()
        missing = asked - available
        if missing or (not asked and all(model.name != name for model in available)):
            told = [
                f"version {model.version}: {reason}"
                for model, reason in reasons.items()
                if model.name == name
            ]
            failed.append(f"{{{name}: {'; '.join(told) or 'no such version'}}}")
    if failed:
        raise Unavailable(f"{len(failed)} model(s) did not become available: {{{', '.join(failed)}}}")

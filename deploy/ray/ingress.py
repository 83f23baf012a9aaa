"""An ingress: every wire of the gateway, in front of versions that live in other deployments.

The whole gateway but its engine: it decides which version is meant, codes and decodes, admits and accounts. Knows
Serve's life cycle; knows nothing of how versions run.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from deploy.ray.remote import RemoteLoader
from deploy.ray.request_ids import without_request_id
from deploy.ray.rpcs import Rpcs, with_rpcs
from deploy.ray.wiring import open_rooms
from service.app import offering
from service.config import Settings
from service.observability import logs
from service.observability.metrics import Metrics
from service.protocols.servers import create_http_app

START_S = 60.0
"""How long an ingress waits for all models before it takes requests without the others."""
WAIT_S = 10.0
"""How long a model's deployment may take to answer before the other models are looked at."""
AGAIN_S = 1.0
"""How long after that it is asked again."""


@with_rpcs
class Ingress:
    """What Serve starts as a replica of the ingress; `handles` by model name."""

    async def __init__(self, settings: Settings, handles: dict[str, DeploymentHandle]) -> None:  # type: ignore[misc]  # Serve awaits it
        logs.configure(settings.log)

        def make_loader(metrics: Metrics) -> RemoteLoader:
            self._loader = RemoteLoader(handles, metrics, WAIT_S)
            return self._loader

        self._settings = settings
        self._rooms = open_rooms(settings, make_loader)
        self.rpcs = Rpcs(self._rooms.gateway, offering.grpc_limits(settings))
        self._asking = asyncio.create_task(self._ask_again(), name="ask_again")
        # One that takes the place of another is to have the models before Serve sends it requests.
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._rooms.reloader.settled(needs_disk=False)
                while self._loader.unanswered:  # noqa: ASYNC110  # only asking tells whether they answer
                    await asyncio.sleep(AGAIN_S)

    def __serve_build_asgi_app__(self) -> ASGIApp:  # Serve's name
        """Return the app of the REST port."""
        return without_request_id(
            create_http_app(
                self._rooms.gateway,
                offering.http_limits(self._settings),
                *offering.scrapes(self._settings, self._rooms.metrics.exposition),
            )
        )

    async def check_health(self) -> None:
        """Raise if nobody looks at the disk any more: Serve replaces the replica."""
        if self._rooms.watching.done() or self._asking.done():
            raise RuntimeError("the reloader has ended")

    async def _ask_again(self) -> None:
        """Give versions another chance that failed for want of a replica, not for what they are."""
        while True:
            await asyncio.sleep(AGAIN_S)
            if self._loader.unanswered:
                self._rooms.reloader.adopt(self._rooms.reloader.rules, retry=set(self._loader.unanswered))

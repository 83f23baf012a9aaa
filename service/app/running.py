"""Make every object, hand each what it needs, run until told to stop, and go down without losing an answer.

Knows the order of things. Going down: readiness says no; after `drain.delay_s` nobody new is let in and the
listeners close; requests inside may finish for `drain.grace_s`; who still waits then is answered with an
error; connections close. A second signal ends the process at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc.aio
import uvloop

from service.app import offering, storage, tracer
from service.app.listening import HttpListener, StartError, bind
from service.app.model_config_poll import ModelConfigPoll
from service.config import ConfigError, Settings
from service.engine import interpreter
from service.gateway import Admin, Gateway
from service.observability import logs
from service.observability.metrics import Metrics
from service.protocols.oip.shared_memory import SharedMemory
from service.protocols.operations.rest import create_operations_app
from service.protocols.servers import create_grpc_server, create_http_app
from service.protocols.tfserving.config_files import with_model_config
from service.repository.changes import Changes
from service.repository.control import Control
from service.repository.loader import BundleLoader
from service.repository.registry import Registry
from service.repository.reloader import Reloader
from service.repository.variants import Choice

LINGER_S = 2.0
"""How long connections may take to write their last bytes."""


def run(settings: Settings, notes: Sequence[str] = ()) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    It is 0, 1 if the gateway could not start or broke, or 2 if a file that the settings name cannot be used. `notes` say
    what was asked for and has no effect; each becomes a line in the log.
    """
    logs.configure(settings.log)
    for note in notes:
        logs.get("service.app").warning("without_effect", note=note)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings))
    except (StartError, ConfigError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1 if isinstance(error, StartError) else 2


async def _serve(settings: Settings) -> int:
    house = House(settings)
    stopping = _stop_on_signals()
    interpreter.settle()
    return await house.serve(stopping)


class House:
    """All objects of one gateway. Made on the event loop.

    Raises StartError if a port cannot be had, ConfigError if a `model.config` file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._log = logs.get("service.app")
        given = settings
        settings, notes = with_model_config(given)
        for note in notes:
            self._log.warning("without_effect", note=note)
        self._settings = settings
        self._tracer = tracer.create(settings.tracing)
        changes = Changes()
        self._metrics = Metrics(aliases=settings.metrics.aliases)
        if settings.engine.device != "cpu":
            self._metrics.watch_gpus()
        self._registry = Registry(changes)
        store = storage.create(settings, self._metrics)
        loader = BundleLoader(
            settings.engine,
            self._metrics,
            ask_golden=settings.repository.golden,
            may_be_renamed=store.has_base_path,
            tracer=self._tracer,
            choice=Choice.wished(settings.repository),
        )
        self._reloader = Reloader(
            store,
            loader,
            self._registry,
            self._metrics,
            settings.repository,
        )
        self._gateway = Gateway(
            self._registry,
            changes,
            self._metrics,
            settings.limits,
            access_log=settings.log.access,
            admin=_admin(settings, Control(self._reloader, self._registry, changes)),
        )
        shared_memory = _shared_memory(settings)
        self._model_config = ModelConfigPoll(given, self._reloader)
        with ExitStack() as undo:
            rest = undo.enter_context(bind("http", settings.http.host, settings.http.port))
            private = undo.enter_context(
                bind("operations", settings.operations.host, settings.operations.port)
            )
            self._grpc = create_grpc_server(
                self._gateway,
                offering.grpc_limits(settings),
                offering.grpc_offer(settings, shared_memory, self._tracer),
            )
            self._grpc_port = _add_port(self._grpc, settings.grpc.host, settings.grpc.port)
            _add_socket(self._grpc, settings.grpc.socket_path)
            undo.pop_all()
        self._http = HttpListener(
            rest,
            create_http_app(
                self._gateway,
                offering.http_limits(settings),
                *offering.scrapes(settings, self._metrics.exposition),
                shared_memory=shared_memory,
                tracer=self._tracer,
            ),
            keep_alive_s=settings.http.keep_alive_s,
            linger_s=settings.drain.grace_s + LINGER_S,
        )
        self._operations = HttpListener(
            private,
            create_operations_app(self._gateway, self._metrics.exposition, offering.http_limits(settings)),
            keep_alive_s=settings.http.keep_alive_s,
            linger_s=LINGER_S,
        )

    @property
    def ports(self) -> dict[str, int]:
        """The ports in fact, by setting."""
        return {
            "http_port": self._http.port,
            "grpc_port": self._grpc_port,
            "operations_port": self._operations.port,
        }

    async def serve(self, stopping: asyncio.Event) -> int:
        """Answer until `stopping` is set, or until a part that must not end has ended; returns the exit code."""
        await self._grpc.start()
        watching = asyncio.create_task(self._reloader.run(), name="reloader")
        public = asyncio.create_task(self._http.serve(), name="http")
        private = asyncio.create_task(self._operations.serve(), name="operations")
        told = asyncio.create_task(stopping.wait(), name="signal")
        polling = asyncio.create_task(self._poll(), name="model_config")
        # For programs: one line of JSON, the only one ever on standard output. For people: the log.
        sys.stdout.write(json.dumps(self.ports) + "\n")
        sys.stdout.flush()
        places = [self._settings.models, *self._settings.repository.base_paths.values()]
        self._log.info("listening", models=[str(place) for place in places if place], **self.ports)
        ended, _ = await asyncio.wait((watching, public, private, told), return_when=asyncio.FIRST_COMPLETED)
        broken = ended - {told}
        for task in broken:
            self._log.error("broken", part=task.get_name(), exc_info=task.exception())
        polling.cancel()
        await self._drain(watching, public, private)
        told.cancel()
        return 1 if broken else 0

    async def _poll(self) -> None:
        """Follow the `model.config` file, if that is asked for."""
        repository = self._settings.repository
        if repository.model_config_file is not None and repository.model_config_poll_s > 0:
            await self._model_config.run()

    async def _drain(
        self, watching: asyncio.Task[None], public: asyncio.Task[None], private: asyncio.Task[None]
    ) -> None:
        drain = self._settings.drain
        self._gateway.drain()
        self._log.info("draining", requests=self._gateway.in_flight)
        await asyncio.sleep(drain.delay_s)
        self._gateway.close()
        self._http.stop()
        rpcs = asyncio.create_task(self._grpc.stop(drain.grace_s + LINGER_S))
        watching.cancel()
        await asyncio.wait((watching,))
        try:
            async with asyncio.timeout(drain.grace_s):
                await self._gateway.empty()
        except TimeoutError:
            self._log.warning("grace_over", requests=self._gateway.in_flight)
        await self._reloader.close()
        await asyncio.wait((public, rpcs), timeout=LINGER_S)
        self._operations.stop()
        await asyncio.wait((private,), timeout=LINGER_S)
        await tracer.close(self._tracer, LINGER_S)
        self._log.info("stopped", requests=self._gateway.in_flight)


def _shared_memory(settings: Settings) -> SharedMemory | None:
    return SharedMemory(settings.oip, settings.http.max_body_bytes) if settings.oip.shared_memory else None


def _admin(settings: Settings, control: Control) -> Admin:
    return Admin(settings.admin.key_file, control) if settings.admin.enabled else Admin()


def _add_port(server: grpc.aio.Server, host: str, port: int) -> int:
    # gRPC writes its own lines about a port that is taken, and no reason: find out before it does.
    bind("grpc", host, port).close()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartError(f"grpc.port: cannot listen on {address}: is it taken?") from error


def _add_socket(server: grpc.aio.Server, path: Path | None) -> None:
    if path is None:
        return
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise StartError(f"grpc.socket_path: cannot listen on {path}") from error


def _stop_on_signals() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second ends the process."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping

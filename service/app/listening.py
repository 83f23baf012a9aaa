"""Listen for HTTP on a port, on an event loop that belongs to somebody else.

Knows sockets and uvicorn. Knows nothing of what is served.
"""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048


class StartError(Exception):
    """The gateway cannot start; the message is for whoever started it."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone: three servers share one process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn's is a generator's
        return nullcontext()


class HttpListener:
    """An ASGI app on a port."""

    def __init__(self, listening: socket.socket, app: ASGIApp, keep_alive_s: float, linger_s: float) -> None:
        self._socket = listening
        self._port: int = listening.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=max(1, round(keep_alive_s)),
                # Requests inside are waited for by the gateway; this is for what is still being written.
                timeout_graceful_shutdown=max(1, round(linger_s)),
            )
        )

    @property
    def port(self) -> int:
        """The port in fact."""
        return self._port

    async def serve(self) -> None:
        """Answer until `stop`; returns when the last connection has closed."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Accept no more connections, close the idle ones, and let the others finish their request."""
        self._server.should_exit = True


def bind(name: str, host: str, port: int) -> socket.socket:
    """Return a listening socket; raises StartError that says which setting cannot be met."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(name, host, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _cannot(name, host, port, error) from error
    return listening


def _cannot(name: str, host: str, port: int, error: OSError) -> StartError:
    return StartError(f"{name}.port: cannot listen on {host}:{port}: {error.strerror or error}")

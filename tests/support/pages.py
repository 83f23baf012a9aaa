"""A plain HTTP server over a directory, in a thread: pages that list, files whole, no ranges.

Knows files. While it is not `up`, every request is answered 503.
"""

from __future__ import annotations

import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer a GET, unless the server plays dead."""
        assert isinstance(self.server, Pages)
        self.server.paths.append(self.path)
        if self.server.up:
            super().do_GET()
        else:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)

    def do_HEAD(self) -> None:
        """Answer a HEAD, unless the server plays dead."""
        assert isinstance(self.server, Pages)
        if self.server.up:
            super().do_HEAD()
        else:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Pages(ThreadingHTTPServer):
    """Serves a directory on a free port of this machine; `paths` are those that were read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(directory)))
        self.up = True
        self.paths: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

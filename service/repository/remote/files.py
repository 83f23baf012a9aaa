"""Read files of a store, whichever kind of store it is: the only door to fsspec.

Knows URLs. Knows nothing of models, and says in words of its own what went wrong: those of the libraries may repeat
what they were asked with, keys included.

Credentials come from where each library looks in the environment, and from nowhere else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import quote

import fsspec

from service.config import Url

CHUNK_BYTES = 8 * 2**20
EXTRAS = {"s3": "s3", "gs": "gs", "az": "az", "http": "http", "https": "http"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "http": "aiohttp", "https": "aiohttp"}
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403})


class FileMissing(Exception):
    """There is no such file or directory."""


class Unreachable(Exception):
    """The store did not answer, or not with what it was asked for; the message says why, and carries no secret."""


class Files(Protocol):
    """The files below one URL, by their path relative to it. All methods block, and raise FileMissing, Unreachable."""

    def names(self, directory: str) -> frozenset[str]:
        """Return the names of what lies in a directory."""

    def tag(self, path: str) -> str:
        """Return what is another if the file has changed; nothing if the store does not tell."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file, piece by piece."""


def read(files: Files, path: str, at_most_bytes: int) -> bytes:
    """Return a small file; raises FileMissing, Unreachable, and ValueError if it is larger than that."""
    content = bytearray()
    for chunk in files.chunks(path):
        content += chunk
        if len(content) > at_most_bytes:
            raise ValueError(f"more than {at_most_bytes} bytes")
    return bytes(content)


def missing_package(scheme: str) -> str | None:
    """Return the package that URLs of a scheme need, if it is not installed."""
    try:
        if scheme == "gs":
            # Else it asks by gRPC, on a loop of its own beside the gateway's, what kind of bucket it is; files are the same.
            os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            _import_proto_plus()
        importlib.import_module(_PACKAGES[scheme])
    except ImportError as error:
        return error.name or _PACKAGES[scheme]
    return None


def _import_proto_plus() -> None:
    """Import the package `proto` that gcsfs needs: in a checkout, our own folder of that name would come first."""
    path = sys.path[:]
    sys.path[:] = [entry for entry in path if not (Path(entry) / "proto" / "generate.py").is_file()]
    try:
        importlib.import_module("proto")
    finally:
        sys.path[:] = path


class StoreFiles:
    """Files of a store that fsspec knows. May be used from several threads."""

    def __init__(self, url: Url, timeout_s: float, system: fsspec.AbstractFileSystem | None = None) -> None:
        self._root = str(url)
        self._scheme = url.scheme
        self._is_http = url.scheme in {"http", "https"}
        self._timeout_s = timeout_s
        self._system = system
        self._opening = Lock()

    def names(self, directory: str) -> frozenset[str]:
        """Return the names of what lies in a directory; over HTTP, what a page about it links to."""
        with _told():
            path = self._path(directory) + ("/" if self._is_http else "")
            found = self._opened().ls(path, detail=False)
        return frozenset(str(each).rstrip("/").rpartition("/")[2] for each in found)

    def tag(self, path: str) -> str:
        """Return the ETag, or else the time of the last change."""
        with _told():
            told = self._opened().info(self._path(path))
        for name in ("ETag", "etag", "Last-Modified", "LastModified", "mtime", "created"):
            if told.get(name):
                return f"{told[name]} {told.get('size')}"
        return ""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the content of a file in pieces of 8 MiB at most."""
        # Over HTTP one plain request: not every server answers ranges. A size keeps fsspec from asking for it first.
        how: dict[str, Any] = {"block_size": 0, "size": 1} if self._is_http else {"cache_type": "none"}
        with _told():
            file = self._opened().open(self._path(path), "rb", **how)
        try:
            while True:
                with _told():
                    chunk = file.read(CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk
        finally:
            file.close()

    def _path(self, path: str) -> str:
        if self._is_http:
            path = quote(path)
        return f"{self._root}/{path}".rstrip("/")

    def _opened(self) -> fsspec.AbstractFileSystem:
        """Return the file system, made at the first use: making one may ask the network for credentials."""
        with self._opening:
            if self._system is None:
                options = _OPTIONS[self._scheme](self._timeout_s)
                self._system = fsspec.filesystem(
                    self._scheme, skip_instance_cache=True, use_listings_cache=False, **options
                )
            return self._system


def _s3(timeout_s: float) -> dict[str, Any]:
    # s3fs tries again itself.
    retries = {"total_max_attempts": 1}
    return {"config_kwargs": {"connect_timeout": timeout_s, "read_timeout": timeout_s, "retries": retries}}


def _gs(timeout_s: float) -> dict[str, Any]:
    return {"requests_timeout": timeout_s}


def _az(timeout_s: float) -> dict[str, Any]:
    return {"connection_timeout": max(1, round(timeout_s)), "read_timeout": max(1, round(timeout_s))}


def _http(timeout_s: float) -> dict[str, Any]:
    import aiohttp  # noqa: PLC0415  # of an extra

    # No bound on the whole: files are large. Proxies and NETRC come from the environment.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


_OPTIONS: Mapping[str, Callable[[float], dict[str, Any]]] = {
    "s3": _s3,
    "gs": _gs,
    "az": _az,
    "http": _http,
    "https": _http,
}


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever a library raises into FileMissing or Unreachable."""
    try:
        yield
    except FileNotFoundError as error:
        # fsspec says so too where a HEAD over HTTP failed for another reason.
        if error.__cause__ is None or _status(error.__cause__) in _GONE:
            raise FileMissing from None
        raise Unreachable(_reason(error.__cause__)) from None
    except Exception as error:  # noqa: BLE001  # each library has its own, and they share no class
        raise Unreachable(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """Return what went wrong, from the kind of an error alone: what a library says of it could hold a key."""
    status, kinds = _status(error), " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, PermissionError) or status in _REFUSED or "Credential" in kinds or "Auth" in kinds:
        return "the store refuses access, or credentials are missing in the environment"
    if status is not None:
        return f"the store answered {status}"
    if "Timeout" in kinds:
        return "the store did not answer in time"
    if "Connect" in kinds:
        return "the store cannot be reached"
    return f"the store failed ({type(error).__name__})"


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of a library is about, if there is one."""
    for name in ("status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return status
    return None

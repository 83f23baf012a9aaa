"""Why a version does not go live.

Knows nothing of requests: these errors never reach a caller.
"""

from __future__ import annotations

from typing import ClassVar


class LoadError(Exception):
    """A version cannot be served; the message is the reason that operators read, and names no path.

    `kind` is the reason in one word, for metrics: here its `files` (missing, wrong, or not what the manifest promises).
    """

    kind: ClassVar[str] = "files"


class GraphError(LoadError):
    """A graph cannot be opened or run, or is not what its signature says."""

    kind = "graph"


class GoldenError(LoadError):
    """A golden request was answered differently than by the model that was exported."""

    kind = "golden"


class StorageError(LoadError):
    """A version cannot be fetched from the store that it lies in, or not kept in the cache."""

    kind = "storage"

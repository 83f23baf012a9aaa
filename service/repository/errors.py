"""Why a version does not go live.

Knows nothing of requests: these errors never reach a caller.
"""

from __future__ import annotations


class LoadError(Exception):
    """A version cannot be served; the message is the reason that operators read, and names no path."""

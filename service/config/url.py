"""Where models lie if not in a directory: the URL of a store, which never carries a secret.

Knows how such a URL is written. Knows nothing of how a store is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

SCHEMES = ("s3", "gs", "az", "http", "https")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[^/\s\\?#\x00-\x1f\x7f]+)*")


@dataclass(frozen=True, slots=True, order=True)
class Url:
    """A place in a store: `scheme`, and `place`, which is bucket, container or host with a path."""

    scheme: str
    place: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the URL that `text` is.

        Raises ValueError, whose message repeats nothing of `text`, unless it is one of `SCHEMES` with a bucket or host,
        and without a user, password, query or fragment.
        """
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise ValueError("expected a URL, or a directory") from error
        if parts.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"expected a directory, or a URL of {known}")
        if "@" in parts.netloc:
            raise ValueError(
                "expected a URL without user and password: credentials belong in the environment"
            )
        if parts.query or parts.fragment or "?" in text or "#" in text:
            raise ValueError("expected a URL without '?' and '#': credentials belong in the environment")
        path = parts.path.rstrip("/")
        plain = unquote(path)  # as a web server reads it
        if _HOST.fullmatch(parts.netloc) is None or _PATH.fullmatch(path) is None:
            raise ValueError(f"expected {parts.scheme}://BUCKET-OR-HOST/PATH")
        if not {".", ".."}.isdisjoint(plain.split("/")) or plain.count("/") > path.count("/"):
            raise ValueError("expected a path without '.' and '..'")
        return cls(parts.scheme, parts.netloc + path)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}"

    def is_below(self, other: Url) -> bool:
        """Say whether this is `other`, or lies in it."""
        return self.scheme == other.scheme and f"{self.place}/".startswith(f"{other.place}/")


def is_url(text: str) -> bool:
    """Say whether `text` is meant as a URL, sound or not, and not as the path of a directory."""
    return "://" in text


def without_secrets(text: str) -> str:
    """Return `text`, which may be meant as a URL, without what could be a key: user, password, query, fragment."""
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{re.split(r'[?#]', rest)[0].rpartition('@')[2]}"

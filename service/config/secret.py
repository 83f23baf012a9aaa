"""A key that callers must show, read from a file.

Knows how a key must look. Knows nothing of what it opens; the key itself is not kept, only its digest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

LARGEST_BYTES = 4096
_KEY = re.compile(rb"[\x21-\x7e]{16,}")


@dataclass(frozen=True, slots=True)
class Secret:
    """The SHA-256 digest of a key."""

    digest: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the key in a file, without white space around it.

        Raises ValueError unless it is at least 16 visible ASCII characters: a key must fit into a header and be
        beyond guessing.
        """
        if not path.is_file():
            raise ValueError("expected a file that holds the key")
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from error
        key = content.strip()
        if len(content) > LARGEST_BYTES or _KEY.fullmatch(key) is None:
            raise ValueError(
                f"expected one key in the file: 16 visible ASCII characters or more, {LARGEST_BYTES} bytes at most"
            )
        return cls.of(key)

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Return the secret that `key` opens."""
        return cls(hashlib.sha256(key).digest())

    def matches(self, shown: str) -> bool:
        """Say whether `shown` is the key; takes as long whatever is wrong with it."""
        digest = hashlib.sha256(shown.encode("utf-8", "backslashreplace")).digest()
        return hmac.compare_digest(self.digest, digest)

"""Bodies compressed with gzip or deflate, both ways.

A body that claims little and unpacks to much is refused before it has been unpacked. Knows no wire.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib

from service.errors import Invalid
from service.protocols import http

MAX_RATIO = 200
FREE_BYTES = 2**20
"""Up to here the ratio does not count: a small tensor of zeros shrinks to next to nothing."""
WORTHWHILE_BYTES = 1024
LEVEL = 1
IN_THREAD_BYTES = 64 * 1024
"""From here on packing is not made on the event loop."""
UNPACK_IN_THREAD_BYTES = 4 * 1024
"""The same for what comes in, which may become `MAX_RATIO` times as much."""

_WINDOW = {"gzip": 31, "deflate": 15}
"""What zlib calls the two; `deflate` is the zlib format (RFC 9110, 8.4.1.2)."""


def encoding_of(header: bytes | None) -> str | None:
    """Return the encoding of a body by its `content-encoding`, None for none; raises UnknownEncoding."""
    if header is None:
        return None
    encoding = header.strip().lower().decode("latin-1")
    if encoding in {"identity", ""}:
        return None
    if encoding not in _WINDOW:
        raise http.UnknownEncoding("expected gzip, deflate or identity", field="content-encoding")
    return encoding


async def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the body that was packed; raises as `unpack`."""
    if len(body) < UNPACK_IN_THREAD_BYTES:
        return unpack(body, encoding, max_bytes)
    return await asyncio.to_thread(unpack, body, encoding, max_bytes)


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the body that was packed; raises Invalid, and TooLarge beyond `max_bytes` or `MAX_RATIO`."""
    allowed = min(max_bytes, max(FREE_BYTES, MAX_RATIO * len(body)))
    unpacking = zlib.decompressobj(_WINDOW[encoding])
    try:
        unpacked = unpacking.decompress(body, allowed + 1)
    except zlib.error as error:
        raise Invalid(f"the body is not valid {encoding}", field="body") from error
    if len(unpacked) > allowed:
        raise http.too_large(allowed)
    if not unpacking.eof or unpacking.unused_data:
        raise Invalid(f"the body is not one whole {encoding} stream", field="body")
    return unpacked


def accepted(header: bytes | None) -> str | None:
    """Return the encoding to answer in by `accept-encoding`, None for none; the caller's first of ours."""
    for entry in (header or b"").decode("latin-1").lower().split(","):
        name, _, parameters = entry.partition(";")
        refused = parameters.replace(" ", "").rstrip("0").rstrip(".") in {"q=", "q=0"}
        if name.strip() in _WINDOW and not refused:
            return name.strip()
    return None


async def packed(body: bytes, accept_encoding: bytes | None) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    """Return an answer as the caller accepts it, and the headers that say so; short ones stay as they are."""
    encoding = accepted(accept_encoding) if len(body) >= WORTHWHILE_BYTES else None
    if encoding is None:
        return body, ()
    small = len(body) < IN_THREAD_BYTES
    content = pack(body, encoding) if small else await asyncio.to_thread(pack, body, encoding)
    return content, ((b"content-encoding", encoding.encode("ascii")), (b"vary", b"accept-encoding"))


def pack(body: bytes, encoding: str) -> bytes:
    """Return the body packed."""
    return gzip.compress(body, LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, LEVEL)

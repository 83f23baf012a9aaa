"""Messages that were sound once: bytes flipped, cut, doubled, and with hostile pieces in between.

Knows bytes; knows no wire.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

HOSTILE = (
    b"\xff" * 9 + b"\x01",  # the largest varint: a length, a dimension, a count
    b"\xff\xff\xff\xff\x07",
    b"\x0b" * 64,  # groups within groups
    b"[" * 200,
    b'{"a":' * 200,
    b"1e400",
    b"-0",
    b"NaN",
    b"99999999999999999999999",
    b'"\\ud800"',
    b"null",
    b"\x00",
    b"\xc3\x28",
)
"""What readers of protobuf and of JSON stumble over."""
PIECE = st.sampled_from(HOSTILE) | st.binary(max_size=12)
CHANGE = st.tuples(
    st.sampled_from(("put", "insert", "delete", "double", "cut")),
    st.integers(0, 2**16),
    st.integers(1, 16),
    PIECE,
)


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return what draws one of `seeds` after one to four changes."""
    return st.builds(_changed, st.sampled_from(seeds), st.lists(CHANGE, min_size=1, max_size=4))


def _changed(message: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, place, length, piece in changes:
        start = place % (len(message) + 1)
        head, middle, tail = message[:start], message[start : start + length], message[start + length :]
        message = {
            "put": head + piece + tail,
            "insert": head + piece + middle + tail,
            "delete": head + tail,
            "double": head + middle + middle + tail,
            "cut": head,
        }[kind]
    return message

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid, ServiceError, TooLarge
from service.protocols import compression, http

ENCODINGS = st.sampled_from(["gzip", "deflate"])
MEBIBYTE = 2**20


@given(ENCODINGS, st.binary(max_size=2000))
def test_what_is_packed_comes_back(encoding: str, body: bytes) -> None:
    assert compression.unpack(compression.pack(body, encoding), encoding, 4096) == body


@given(ENCODINGS, st.binary(max_size=200))
def test_any_bytes_unpack_or_are_refused(encoding: str, body: bytes) -> None:
    with suppress(ServiceError):
        compression.unpack(body, encoding, 4096)


def test_official_encodings_are_understood() -> None:
    assert compression.unpack(gzip.compress(b"x" * 50), "gzip", 100) == b"x" * 50
    assert compression.unpack(zlib.compress(b"x" * 50), "deflate", 100) == b"x" * 50


def test_a_body_may_not_unpack_beyond_the_limit_of_bodies() -> None:
    with pytest.raises(TooLarge, match="100 bytes"):
        compression.unpack(gzip.compress(b"x" * 101), "gzip", 100)


def test_a_body_may_not_unpack_to_much_more_than_it_was() -> None:
    bomb = zlib.compress(bytes(64 * MEBIBYTE), 9)
    allowed = compression.MAX_RATIO * len(bomb)
    assert allowed < 64 * MEBIBYTE
    with pytest.raises(TooLarge, match=f"{allowed} bytes"):
        compression.unpack(bomb, "deflate", 64 * MEBIBYTE)
    small = zlib.compress(bytes(MEBIBYTE), 9)
    assert len(compression.unpack(small, "deflate", 64 * MEBIBYTE)) == MEBIBYTE


def test_a_stream_that_is_cut_or_followed_by_something_is_refused() -> None:
    packed = gzip.compress(b"hello")
    for body in (packed[:-1], packed + b"x", b""):
        with pytest.raises(Invalid):
            compression.unpack(body, "gzip", 100)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (None, None),
        (b"gzip", "gzip"),
        (b"br, DEFLATE;q=0.5, gzip", "deflate"),
        (b"gzip;q=0, deflate", "deflate"),
        (b"gzip; q=0.0", None),
        (b"identity", None),
    ],
)
def test_an_answer_is_packed_as_the_caller_accepts(header: bytes | None, encoding: str | None) -> None:
    assert compression.accepted(header) == encoding


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(http.UnknownEncoding):
        compression.encoding_of(b"br")
    assert compression.encoding_of(b"identity") is None

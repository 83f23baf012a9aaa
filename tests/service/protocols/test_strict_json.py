import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.protocols.strict_json import loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_every_object_without_duplicates_is_read(document: dict[str, object]) -> None:
    assert loads(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": 1} x', "line 1 column 10"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": -Infinity}', "not valid JSON"),
        (b'{"a": 1e999}', "not valid JSON"),
        (b'{"a": 1' + b"0" * 400 + b"}", "not valid JSON"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        ('{"a": 1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b'{"a": "\x00"}', "not valid JSON"),
        (b"[1]", "JSON object"),
        (b'"text"', "JSON object"),
        (b"null", "JSON object"),
        (b'{"a":' + b"[" * 100_000, "not valid JSON"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "nested deeper"),
        (b'{"a":' + b'{"a":' * 500 + b"1" + b"}" * 501, "nested deeper"),
        (b'{"a":["x",' + b"[" * 50 + b"]" * 50 + b"]}", "nested deeper"),
        (b"{" + b",".join(b'"a%d":0' % number for number in range(1000)) + b"}", "at most 64 keys"),
    ],
)
def test_anything_but_a_plain_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        loads(body)
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"x": {"b": 1, "a": [1], "a": [1]}}',
        b'{"x": [[{"a": 1, "a": 2}]]}',
        b'{"x": [1, {"a": 1, "a": 2}]}',
        b'{"x": ["s", 1, {"a": 1, "a": 2}]}',
        b'{"a": 1, "\\u0061": 2}',
    ],
)
def test_a_duplicate_key_is_refused_and_named(body: bytes) -> None:
    with pytest.raises(Invalid, match="twice") as caught:
        loads(body)
    assert caught.value.field == "a"


def test_a_duplicate_among_very_many_keys_is_found_at_once() -> None:
    keys = ", ".join(f'"{key}": 0' for key in range(50_000))
    started_s = time.process_time()
    with pytest.raises(Invalid, match="'49999' is there twice"):
        loads(f'{{"inputs": {{{keys}, "49999": 0}}}}'.encode())
    assert time.process_time() - started_s < 2

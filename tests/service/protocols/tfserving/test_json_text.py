import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid, ServiceError
from service.protocols.tfserving.json_text import kind_of, loads, shown


def test_nan_and_infinities_are_numbers() -> None:
    first, second, third = loads(b'{"x": [NaN, Infinity, -Infinity]}')["x"]
    assert math.isnan(first)
    assert (second, third) == (math.inf, -math.inf)


def test_what_follows_the_object_is_ignored() -> None:
    assert loads(b' {"x": 1} garbage') == {"x": 1}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"  \n", "JSON Parse error: The document is empty"),
        (b'{"x": }', "JSON Parse error: Expecting value. at offset: 6"),
        (b'{"x": 1', "JSON Parse error: "),
        (b"\xff\xfe{}", "JSON Parse error: Invalid encoding in string. at offset: 0"),
        (b'{"x": 1e999, "y": NaN}', "JSON Parse error: "),
        (b'{"x": ' + b"[" * 100_000, "JSON Parse error: "),
        (b'{"x": NaN, "y": ' + b"1" * 10_000 + b"}", "JSON Parse error: "),
        (b"[1, 2]", "JSON Value: [\n    1,\n    2\n] Is not object"),
        (b"null", "JSON Value: null Is not object"),
        (b"NaN", "JSON Value: NaN Is not object"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        loads(body)
    assert caught.value.message.startswith(text)


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    with suppress(ServiceError):
        assert type(loads(body)) is dict


def test_a_large_value_is_cut_where_an_error_quotes_it() -> None:
    assert len(shown([[1.0] * 1000] * 1000)) == 256
    assert len(shown("x" * 10_000)) <= 256
    assert shown({"b64": "a"}) == '{\n    "b64": "a"\n}'


def test_kinds_have_the_names_that_clients_know() -> None:
    values = (None, True, False, 1, 1.5, "a", [], {})
    assert [kind_of(value) for value in values] == [
        "Null", "True", "False", "Number", "Number", "String", "Array", "Object",
    ]  # fmt: skip

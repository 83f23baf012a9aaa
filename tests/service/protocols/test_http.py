import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Timing
from service.errors import Code, Invalid, Overloaded, TimedOut, TooLarge
from service.protocols import http
from service.protocols.limits import WireLimits

LIMITS = WireLimits(max_body_bytes=100, default_timeout_s=5.0, max_timeout_s=20.0)


def test_every_code_has_an_http_status() -> None:
    assert set(http.HTTP_STATUS) == set(Code)


def test_a_fit_request_id_is_kept() -> None:
    assert http.request_id({b"x-request-id": b"a.B-9_"}) == "a.B-9_"


@pytest.mark.parametrize("given_id", [b"", b"a b", b"a\r\nx: y", b"\xc3\xa4", b"x" * 129])
def test_an_unfit_request_id_is_replaced(given_id: bytes) -> None:
    made = http.request_id({b"x-request-id": given_id})
    assert made.encode() != given_id
    assert http.request_id({b"x-request-id": made.encode()}) == made


def test_new_request_ids_differ() -> None:
    assert len({http.new_request_id() for _ in range(100)}) == 100


def test_the_timeout_is_in_milliseconds_and_bounded() -> None:
    assert http.timeout_s({b"x-request-timeout-ms": b"1500"}, LIMITS) == 1.5
    assert http.timeout_s({b"x-request-timeout-ms": b"999999999"}, LIMITS) == 20.0
    assert http.timeout_s({}, LIMITS) == 5.0


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"soon", b"9" * 13, "\N{SUPERSCRIPT TWO}".encode()])
def test_a_timeout_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        http.timeout_s({b"x-request-timeout-ms": value}, LIMITS)
    assert caught.value.field == "x-request-timeout-ms"


def test_a_timeout_of_zero_has_passed() -> None:
    with pytest.raises(TimedOut):
        http.timeout_s({b"x-request-timeout-ms": b"0"}, LIMITS)


def test_a_declared_length_beyond_the_limit_is_refused() -> None:
    http.check_body_headers({b"content-length": b"100"}, LIMITS)
    with pytest.raises(TooLarge):
        http.check_body_headers({b"content-length": b"101"}, LIMITS)


def test_a_length_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        http.check_body_headers({b"content-length": b"-5"}, LIMITS)
    assert caught.value.field == "content-length"


def test_an_error_answer_has_status_field_and_retry_after() -> None:
    status, headers, body = http.error_answer(Overloaded("full", retry_after_s=1.2), "r-1")
    assert status == 429
    assert dict(headers)[b"retry-after"] == b"2"
    assert orjson.loads(body) == {"error": {"code": "OVERLOADED", "message": "full", "request_id": "r-1"}}
    _, _, body = http.error_answer(Invalid("wrong", field="inputs.x"), "r-1")
    assert orjson.loads(body)["error"]["field"] == "inputs.x"


@given(st.text(alphabet=st.characters(codec=None, categories=None)))
def test_any_text_can_be_in_an_error(text: str) -> None:
    _, _, body = http.error_answer(Invalid(text, field=text), "r")
    assert isinstance(orjson.loads(body)["error"]["message"], str)


def test_timing_is_told_in_headers() -> None:
    headers = dict(http.timing_headers(Timing(queue_s=0.0025, batch_rows=7, reason="full")))
    assert headers == {
        b"x-sluice-queue-us": b"2500",
        b"x-sluice-batch-rows": b"7",
        b"x-sluice-reason": b"full",
    }


def test_what_a_caller_wrote_comes_back_cut() -> None:
    error = Invalid("unknown input '" + "x" * 10_000 + "'", field="inputs." + "x" * 10_000)
    _, _, body = http.error_answer(error, "r")
    assert len(body) < 2000
    assert orjson.loads(body)["error"]["field"].startswith("inputs.xxx")

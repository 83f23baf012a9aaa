import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import quote

import pytest

from pb import tasks_pb2
from service.domain import Call
from service.errors import Code, Invalid, Overloaded
from service.protocols import rpc
from service.protocols.limits import WireLimits

LIMITS = WireLimits(default_timeout_s=5.0, max_timeout_s=20.0)


def test_every_code_has_a_grpc_status() -> None:
    assert set(rpc.GRPC_STATUS) == set(Code)


def test_bytes_that_are_no_message_are_invalid() -> None:
    with pytest.raises(Invalid, match=r"sluice\.v1\.PredictRequest") as caught:
        rpc.parse(tasks_pb2.PredictRequest, b"\xff\xff\xff")
    assert caught.value.field == "message"


async def test_a_call_keeps_the_deadline_of_its_caller_within_bounds(
    subtests: pytest.Subtests,
) -> None:
    for remaining_s, expected_s in [(None, 5.0), (3.0, 3.0), (1e9, 20.0)]:
        with subtests.test(remaining_s=remaining_s):
            early = rpc.call({}, 0.0, LIMITS).deadline_at_s
            call = rpc.call({}, remaining_s, LIMITS)
            assert call.deadline_at_s - early == pytest.approx(expected_s, abs=0.1)


async def test_a_call_keeps_a_fit_request_id_only() -> None:
    assert rpc.call({"x-request-id": "abc"}, None, LIMITS).request_id == "abc"
    assert rpc.call({"x-request-id": "a b"}, None, LIMITS).request_id != "a b"
    assert rpc.call({"x-request-id": b"\xff"}, None, LIMITS).protocol == "grpc"


def test_error_metadata_is_ascii_and_bounded() -> None:
    error = Invalid("wrong", field="inputs.größe\n" + "x" * 1000)
    entries = dict(rpc.error_metadata(error, "r-1"))
    assert entries["sluice-request-id"] == "r-1"
    assert entries["sluice-error-field"].startswith("inputs.gr\\xf6\\xdfe\\n")
    assert len(entries["sluice-error-field"]) == 256
    entries = dict(rpc.error_metadata(Overloaded("full", retry_after_s=0.5), "r"))
    assert entries["sluice-retry-after-s"] == "0.500"


class _NobodyReads:
    """A context of a caller that has no more room for what is written."""

    def __init__(self, remaining_s: float) -> None:
        self._remaining_s = remaining_s

    def peer(self) -> str:
        return "ipv4:127.0.0.1:5"

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def time_remaining(self) -> float:
        return self._remaining_s

    async def write(self, _: bytes) -> None:
        await asyncio.Event().wait()


async def test_a_caller_that_does_not_read_is_left_after_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc, "GRACE_S", 0.01)
    closed = False

    async def endless(_message: bytes, _call: Call) -> AsyncGenerator[bytes, None]:
        nonlocal closed
        try:
            while True:
                yield b"piece"
        finally:
            closed = True

    with pytest.raises(asyncio.CancelledError):
        await rpc._stream_handler(endless, LIMITS)(b"", _NobodyReads(0.02))
    assert closed


def test_the_text_of_a_status_fits_into_a_header() -> None:
    text = rpc._status_text("\U0001f600" * 5000)
    assert len(quote(text)) < 6000

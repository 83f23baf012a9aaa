"""Sockets, and what is said when one cannot be had."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from service.app.listening import HttpListener, StartError, bind


def test_port_0_takes_a_free_port() -> None:
    with bind("http", "127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


def test_a_taken_port_is_one_clear_line() -> None:
    with bind("http", "127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(StartError) as caught:
            bind("operations", "127.0.0.1", port)
    assert str(caught.value) == f"operations.port: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_a_host_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(StartError, match=r"http.port: cannot listen on 203.0.113.1:8000: "):
        bind("http", "203.0.113.1", 8000)


def test_both_families_are_listened_on() -> None:
    try:
        listening = bind("http", "::1", 0)
    except StartError:
        pytest.skip("this machine has no IPv6")
    with listening:
        assert listening.family == socket.AF_INET6


async def test_a_listener_answers_until_it_is_stopped() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = HttpListener(bind("http", "127.0.0.1", 0), app, keep_alive_s=5.0, linger_s=1.0)
    serving = asyncio.create_task(listener.serve())
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{listener.port}/")
    assert answer.status_code == 204
    assert "server" not in answer.headers
    port = listener.port
    listener.stop()
    await asyncio.wait_for(serving, 5)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)

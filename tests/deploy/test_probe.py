"""The images' health check against something that answers, or does not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.probe import ready


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Answer one connection on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_one() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1024).startswith(b"GET /readyz HTTP/1.0\r\n")
                connection.sendall(answer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nx: 200 \r\n\r\n", False),
        (b"", False),
        (b"nonsense", False),
    ],
)
def test_only_200_is_ready(answer: bytes, expected: bool) -> None:
    with answering(answer) as port:
        assert ready(port) is expected


def test_nobody_listening_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert not ready(port)

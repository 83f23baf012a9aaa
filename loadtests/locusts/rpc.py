"""Ask over gRPC, with messages as bytes; grpcio hands its waiting over to gevent.

Knows methods and messages; knows nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from loadtests.traffic.questions import Message


class RpcError(Exception):
    """A call that failed; the text is the same for equal refusals."""


class GrpcClient:
    """One user's connection; a user does not share it with others, as processes do not."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._timeout_s = timeout_s

    def whole(self, message: Message) -> bytes:
        """Return the reply; raises RpcError."""
        call: Any = self._channel.unary_unary(message.address)
        try:
            return bytes(call(message.body, timeout=self._timeout_s))
        except grpc.RpcError as error:
            raise _named(error) from error

    def pieces(self, message: Message) -> Iterator[bytes]:
        """Yield the messages of a stream; raises RpcError."""
        call: Any = self._channel.unary_stream(message.address)
        try:
            yield from call(message.body, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _named(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _named(error: Any) -> RpcError:
    return RpcError(f"{error.code().name}: {str(error.details())[:160]}")

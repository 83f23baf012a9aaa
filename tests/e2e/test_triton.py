"""The same requests to a real Triton and to the gateway: statuses, members of documents and numbers agree.

What differs on purpose stands in the tables below, each with what Triton says and what we say; a difference that
is not there, and one that is there no more, both fail. The reasons are in `docs/compatibility.md`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from tests.e2e.conftest import Server, free_ports
from tests.support import bundles
from tests.support.oip_questions import HEADER, KEY, REST, RPC, X
from tests.support.triton import Triton

pytestmark = pytest.mark.slow

STATUSES: dict[str, tuple[int, int]] = {
    "version 0": (404, 400),
    "version of letters": (404, 400),
    "unknown model ready": (400, 404),
    "statistics of unknown model": (400, 404),
    "load": (503, 403),
    "unload": (503, 403),
    "output twice": (200, 400),
    "other datatype": (400, 200),
    "rows too many": (400, 200),
    "NaN": (200, 400),
    "zstd": (501, 415),
}
"""REST: Triton's status and ours. Beside these, what is a 500 there is a 400 here: the request is wrong."""
CODES: dict[str, tuple[str, str]] = {
    "unknown model ready": ("OK", "NOT_FOUND"),
    "unknown version ready": ("OK", "NOT_FOUND"),
    "statistics of unknown model": ("INVALID_ARGUMENT", "NOT_FOUND"),
    "no model": ("NOT_FOUND", "INVALID_ARGUMENT"),
    "infer no model": ("NOT_FOUND", "INVALID_ARGUMENT"),
    "load": ("UNAVAILABLE", "PERMISSION_DENIED"),
    "output twice": ("OK", "INVALID_ARGUMENT"),
    "raw too many": ("OK", "INVALID_ARGUMENT"),
    "other datatype": ("INVALID_ARGUMENT", "OK"),
    "rows too many": ("INVALID_ARGUMENT", "OK"),
    "register again": ("ALREADY_EXISTS", "INVALID_ARGUMENT"),
}
"""gRPC: Triton's status and ours. Beside these, what is INTERNAL there is INVALID_ARGUMENT here."""
OURS = (".properties", ".parameters", ".version_policy.specific", ".model_transaction_policy", ".platform")
"""Beginnings of members of documents that only ours have, below `config` as well."""
THEIRS = (
    ".optimization",
    ".version_policy.latest",
    ".instance_group[].",
    ".dynamic_batching.",
)
"""Beginnings of members that only Triton's have: what is not configured here."""


@dataclass(frozen=True)
class Pair:
    """Both servers, and the shared memory object that each of them may be told of."""

    triton: Triton
    ours: Server
    shared: Path

    def rest(self, name: str) -> Iterator[tuple[httpx.Response, bytes]]:
        """Yield the answer of each to one question, and what is in shared memory then."""
        method, path, body, headers = REST[name]
        for server in (self.triton, self.ours):
            self.shared.write_bytes(X + bytes(48))
            answer = server.http.request(method, path, content=body, headers=headers)
            yield answer, self.shared.read_bytes()

    def rpc(self, name: str) -> Iterator[tuple[str, Any, bytes]]:
        """Yield the code and the answer of each to one question, and what is in shared memory then."""
        method, message, kind = RPC[name]
        for server in (self.triton, self.ours):
            self.shared.write_bytes(X + bytes(48))
            with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc_port']}") as channel:
                ask = channel.unary_unary(
                    f"/inference.GRPCInferenceService/{method}",
                    request_serializer=type(message).SerializeToString,
                    response_deserializer=kind.FromString,
                )
                try:
                    found = ("OK", ask(message, timeout=20))
                except grpc.RpcError as error:
                    found = (error.code().name, None)
            yield (*found, self.shared.read_bytes())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    home = tmp_path_factory.mktemp("triton")
    bundles.write_multiply(home / "bundles")
    bundles.write_mixed(home / "bundles")
    shared = Path("/dev/shm") / KEY  # noqa: S108  # where POSIX shared memory is
    with (
        Triton(home, *free_ports(2)) as triton,
        Server(home / "bundles", "--oip-shared-memory=true") as ours,
    ):
        ours.wait_until_available("multiply")
        ours.wait_until_available("mixed")
        try:
            yield Pair(triton, ours, shared)
        finally:
            shared.unlink(missing_ok=True)


def members(value: Any, path: str = "") -> set[str]:
    """Return the paths of all members of a document; those of a list are those of its first element."""
    if isinstance(value, list):
        return members(value[0], f"{path}[]") if value else set()
    if not isinstance(value, dict):
        return set()
    below = (members(each, f"{path}.{key}") for key, each in value.items())
    return {f"{path}.{key}" for key in value}.union(*below)


def assert_same_members(name: str, theirs: Any, ours: Any) -> None:
    expected, found = members(theirs), members(ours)
    assert all(each.startswith(THEIRS) for each in expected - found), (name, expected - found)
    assert all(each.startswith(OURS) for each in found - expected), (name, found - expected)


def tensors(answer: httpx.Response) -> dict[str, tuple[Any, bytes]]:
    """Return what an answer says of each binary output, and its bytes: Triton's come in an order of their own."""
    length = int(answer.headers[HEADER])
    rest, found = answer.content[length:], {}
    for each in json.loads(answer.content[:length])["outputs"]:
        size = each["parameters"]["binary_data_size"]
        found[each["name"]] = (each, rest[:size])
        rest = rest[size:]
    assert rest == b""
    return found


def test_rest(pair: Pair) -> None:
    for name in REST:
        (theirs, their_memory), (ours, our_memory) = pair.rest(name)
        statuses = (theirs.status_code, ours.status_code)
        if name in STATUSES or statuses == (500, 400):
            assert statuses == STATUSES.get(name, (500, 400)), name
            continue
        assert statuses[0] == statuses[1], (name, statuses, theirs.text, ours.text)
        assert our_memory == their_memory, name
        assert (HEADER in ours.headers) == (HEADER in theirs.headers), name
        if statuses[0] >= 400:
            assert list(theirs.json()) == list(ours.json()) == ["error"], name
        elif HEADER in theirs.headers:
            assert tensors(ours) == tensors(theirs), name
        elif "/infer" in REST[name][1]:
            assert ours.json() == theirs.json(), name
        elif theirs.content:
            assert_same_members(name, theirs.json(), ours.json())


def test_rpc(pair: Pair) -> None:
    for name, (method, _, _) in RPC.items():
        (their_code, theirs, their_memory), (our_code, ours, our_memory) = pair.rpc(name)
        codes = (their_code, our_code)
        if name in CODES or codes == ("INTERNAL", "INVALID_ARGUMENT"):
            assert codes == CODES.get(name, ("INTERNAL", "INVALID_ARGUMENT")), name
            continue
        assert our_code == their_code, (name, codes)
        assert our_memory == their_memory, name
        if our_code != "OK":
            continue
        if method == "ModelInfer":
            assert ours == theirs, name
        else:
            documents = [
                MessageToDict(
                    each, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
                )
                for each in (theirs, ours)
            ]
            assert_same_members(name, *(each.get("config", each) for each in documents))

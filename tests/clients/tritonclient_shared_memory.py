"""Drive the gateway's system shared memory: `python tritonclient_shared_memory.py HTTP_PORT GRPC_PORT`."""

from __future__ import annotations

import contextlib
import os
import sys

import numpy as np
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException, serialize_byte_tensor, shared_memory

X = np.arange(8, dtype=np.float32).reshape(2, 4)
KEYS = [f"/sluice_{side}_{os.getpid()}" for side in ("in", "out")]


def refused(statuses: tuple[str, str], call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        assert error.status() in (statuses[0], f"StatusCode.{statuses[1]}"), (error.status(), error.message())
        assert not any(key[1:] in error.message() for key in KEYS), error.message()
        return error.message()
    raise AssertionError("it was not refused")


INVALID = ("400", "INVALID_ARGUMENT")
MISSING = ("404", "NOT_FOUND")


def check_registration(client, status) -> None:
    into, out = KEYS
    assert status(client) == {}
    client.register_system_shared_memory("in", into, 64)
    client.register_system_shared_memory("out", out[1:], 32, offset=32)
    assert "already in manager" in refused(INVALID, client.register_system_shared_memory, "in", into, 64)
    for offset, size in ((0, 65), (64, 1), (2**63 - 1, 1), (0, 0)):
        refused(INVALID, client.register_system_shared_memory, "more", into, size, offset=offset)
    refused(INVALID, client.register_system_shared_memory, "more", into + "_none", 8)
    refused(INVALID, client.register_system_shared_memory, "more", "/../sluice_x", 8)
    refused(("403", "PERMISSION_DENIED"), client.register_system_shared_memory, "more", "/else", 8)
    assert status(client) == {"in": (into, 0, 64), "out": (out[1:], 32, 32)}
    assert status(client, "out") == {"out": (out[1:], 32, 32)}
    refused(MISSING, client.get_system_shared_memory_status, "none")


def check_infer(module, client, regions) -> None:
    def ask(region="in", size=32, offset=0, out="out", out_size=32, out_offset=0):
        given = module.InferInput("x", [2, 4], "FP32")
        given.set_shared_memory(region, size, offset)
        wanted = module.InferRequestedOutput("y")
        wanted.set_shared_memory(out, out_size, out_offset)
        return client.infer("multiply", [given], outputs=[wanted])

    for n in range(3):
        shared_memory.set_shared_memory_region(regions[0], [X + n], offset=32)
        result = ask(offset=32)
        assert result.get_output("y") is not None
        found = shared_memory.get_contents_as_numpy(regions[1], np.float32, [2, 4], offset=32)
        assert np.array_equal(found, (X + n) * 2), found
    given = module.InferInput("x", [2, 4], "FP32")
    given.set_shared_memory("in", 32, 32)
    assert np.array_equal(client.infer("multiply", [given]).as_numpy("y"), (X + 2) * 2)
    refused(INVALID, ask, size=16)
    refused(INVALID, ask, size=65)
    refused(INVALID, ask, offset=33)
    refused(INVALID, ask, size=32, offset=2**63 - 32)
    refused(INVALID, ask, out_size=33)
    refused(INVALID, ask, out_offset=1)
    assert "should be at least 32 bytes" in refused(INVALID, ask, out_size=31)
    refused(MISSING, ask, region="none")
    refused(MISSING, ask, out="none")


def check_strings(module, client, regions) -> None:
    texts = np.array(["grüße".encode(), b"", b"x"], object)
    packed = serialize_byte_tensor(texts).item()
    shared_memory.set_shared_memory_region(regions[0], [serialize_byte_tensor(texts)])
    given = module.InferInput("words", [3], "BYTES")
    given.set_shared_memory("in", len(packed))
    wanted = module.InferRequestedOutput("same")
    wanted.set_shared_memory("out", 32)
    client.infer("mixed", [given], outputs=[wanted], parameters={"signature": "echo"})
    found = shared_memory.get_contents_as_numpy(regions[1], np.object_, [3], offset=32)
    assert found.tolist() == texts.tolist(), found
    given.set_shared_memory("in", len(packed) - 1)
    refused(INVALID, client.infer, "mixed", [given], outputs=[wanted], parameters={"signature": "echo"})


def check_departure(client, status) -> None:
    client.unregister_system_shared_memory("none")
    client.unregister_system_shared_memory("in")
    assert set(status(client)) == {"out"}
    client.unregister_system_shared_memory()
    assert status(client) == {}
    client.unregister_cuda_shared_memory()
    client.get_cuda_shared_memory_status()
    refused(("501", "UNIMPLEMENTED"), client.register_cuda_shared_memory, "gpu", b"aGFuZGxl", 0, 8)


def http_status(client, *name):
    found = client.get_system_shared_memory_status(*name)
    return {each["name"]: (each["key"], each["offset"], each["byte_size"]) for each in found}


def grpc_status(client, *name):
    found = client.get_system_shared_memory_status(*name).regions
    return {name: (each.key, each.offset, each.byte_size) for name, each in found.items()}


def main() -> None:
    urls = [f"127.0.0.1:{port}" for port in sys.argv[1:3]]
    with contextlib.ExitStack() as stack:
        regions = []
        for key in KEYS:
            regions.append(shared_memory.create_shared_memory_region(key[1:], key, 64))
            stack.callback(shared_memory.destroy_shared_memory_region, regions[-1])
        for module, url, status in ((http, urls[0], http_status), (grpc, urls[1], grpc_status)):
            client = stack.enter_context(module.InferenceServerClient(url))
            told = client.get_server_metadata()
            assert "system_shared_memory" in (told["extensions"] if module is http else told.extensions)
            check_registration(client, status)
            check_infer(module, client, regions)
            check_strings(module, client, regions)
            check_departure(client, status)


if __name__ == "__main__":
    main()

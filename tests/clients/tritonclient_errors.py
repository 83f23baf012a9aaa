"""Meet each class of error with tritonclient: `python tritonclient_errors.py HTTP_PORT GRPC_PORT`.

The server has one place for requests, takes 4096 bytes and has the models `multiply`, `endless` and `broken`.
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import time

import numpy as np
from tritonclient import grpc
from tritonclient import http as rest
from tritonclient.utils import InferenceServerException

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TOKENS = 10_000_000
NO_PLACE = ("429", "StatusCode.RESOURCE_EXHAUSTED")


def given(module, name: str, array: np.ndarray, datatype: str) -> list:
    found = module.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array)
    return [found]


def x(module, array: np.ndarray = X) -> list:
    return given(module, "x", array, "FP32")


def endless(module) -> dict:
    text = given(module, "text_input", np.array([b"a"], object), "BYTES")
    return {"model_name": "endless", "inputs": text, "parameters": {"max_tokens": TOKENS}}


def refused(statuses: tuple[str, str], call, *arguments, **named) -> str:
    wanted = (statuses[0], f"StatusCode.{statuses[1]}")
    for _ in range(200):
        try:
            call(*arguments, **named)
        except InferenceServerException as error:
            if error.status() in wanted:
                return error.message()
            # The one place may be that of the call before, which its client has seen the end of already.
            assert error.status() in NO_PLACE, (error.status(), error.message())
            time.sleep(0.05)
            continue
        break
    raise AssertionError(f"it was not refused with {statuses}")


def once_there_is_a_place(call, *arguments, **named):
    """Return the answer as soon as the one before has left."""
    for _ in range(200):
        try:
            return call(*arguments, **named)
        except InferenceServerException as error:
            if error.status() not in NO_PLACE:
                raise
            time.sleep(0.05)
    raise AssertionError("the place was not given back")


def check_each_class(module, client) -> None:
    too_large = x(module, np.ones((512, 4), np.float32))
    message = refused(("400", "INVALID_ARGUMENT"), client.infer, "multiply", x(module, X[:, :3]))
    assert "input 'x': expected shape [-1, 4], got [2, 3]" in message
    refused(("404", "NOT_FOUND"), client.infer, "nothing", x(module))
    refused(("413", "RESOURCE_EXHAUSTED"), client.infer, "multiply", too_large)
    refused(("501", "UNIMPLEMENTED"), client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]})
    refused(("501", "UNIMPLEMENTED"), client.get_system_shared_memory_status)
    refused(("503", "UNAVAILABLE"), client.infer, "broken", x(module))
    refused(("504", "DEADLINE_EXCEEDED"), client.infer, **{**endless(module), "timeout": 200_000})


def check_no_place(http_port: str, clients) -> None:
    """Hold the one place with a stream, and come back when it has ended."""
    holder = http.client.HTTPConnection("127.0.0.1", int(http_port))
    body = json.dumps({"text_input": "a", "max_tokens": TOKENS})
    holder.request("POST", "/v2/models/endless/generate_stream", body)
    answer = holder.getresponse()
    assert answer.readline().startswith(b"data: ")
    for module, client in clients:
        refused(("429", "RESOURCE_EXHAUSTED"), client.infer, "multiply", x(module))
    answer.close()
    holder.close()
    for module, client in clients:
        found = once_there_is_a_place(client.infer, "multiply", x(module))
        assert np.array_equal(found.as_numpy("y"), X * 2)


def check_cancelled(client: grpc.InferenceServerClient) -> None:
    answers: queue.Queue = queue.Queue()
    asked = endless(grpc)
    call = client.async_infer(callback=lambda result, error: answers.put((result, error)), **asked)
    time.sleep(0.2)
    call.cancel()
    result, error = answers.get(timeout=20)
    assert result is None
    assert error.status() == "StatusCode.CANCELLED", error
    once_there_is_a_place(client.infer, "multiply", x(grpc))


def check_left(url: str) -> None:
    with rest.InferenceServerClient(url, network_timeout=0.3) as client:
        try:
            client.infer(**endless(rest))
        except InferenceServerException as error:
            raise AssertionError("it was answered") from error
        except Exception as error:
            assert "timed out" in str(error), error
        else:
            raise AssertionError("it was answered")
    with rest.InferenceServerClient(url) as client:
        once_there_is_a_place(client.infer, "multiply", x(rest))


def main() -> None:
    http_port, grpc_port = sys.argv[1:3]
    with (
        rest.InferenceServerClient(f"127.0.0.1:{http_port}") as over_rest,
        grpc.InferenceServerClient(f"127.0.0.1:{grpc_port}") as over_grpc,
    ):
        clients = ((rest, over_rest), (grpc, over_grpc))
        for module, client in clients:
            check_each_class(module, client)
        headers = {"content-encoding": "zstd"}
        refused(("415", ""), over_rest.infer, "multiply", x(rest), headers=headers)
        check_no_place(http_port, clients)
        check_cancelled(over_grpc)
    check_left(f"127.0.0.1:{http_port}")


if __name__ == "__main__":
    main()

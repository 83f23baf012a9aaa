"""Meet each class of error with kserve's clients: `python kserve_errors.py HTTP_PORT GRPC_PORT`.

The server has one place for requests, takes 4096 bytes and has the models `multiply`, `endless` and `broken`. What is
not served (501) is no method of these clients.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

X = np.arange(8, dtype=np.float32).reshape(2, 4)
TOKENS = 10_000_000


def request(model: str, array: np.ndarray = X) -> InferRequest:
    given = InferInput("x", list(array.shape), "FP32")
    given.set_data_from_numpy(array, binary_data=True)
    return InferRequest(model_name=model, infer_inputs=[given])


def endless(timeout_us: int) -> InferRequest:
    text = InferInput("text_input", [1], "BYTES")
    text.set_data_from_numpy(np.array([b"a"], object), binary_data=True)
    parameters = {"max_tokens": TOKENS, "timeout": timeout_us}
    return InferRequest(model_name="endless", infer_inputs=[text], parameters=parameters)


REFUSED = {
    (400, "INVALID_ARGUMENT"): request("multiply", X[:, :3]),
    (404, "NOT_FOUND"): request("nothing"),
    (413, "RESOURCE_EXHAUSTED"): request("multiply", np.ones((512, 4), np.float32)),
    (503, "UNAVAILABLE"): request("broken"),
    (504, "DEADLINE_EXCEEDED"): endless(200_000),
}


async def refused(status: int, code: str, ask: Callable[[], Awaitable[object]]) -> None:
    for _ in range(200):
        try:
            await ask()
        except httpx.HTTPStatusError as error:
            found, expected = error.response.status_code, status
        except grpc.RpcError as error:
            found, expected = error.code().name, code
        else:
            raise AssertionError(f"it was not refused with {status}, {code}")
        if found == expected:
            return
        # The one place may be that of the call before, which its client has seen the end of already.
        assert found in {429, "RESOURCE_EXHAUSTED"}, (found, expected)
        await asyncio.sleep(0.05)
    raise AssertionError("the place was not given back")


def hold(http_port: str) -> http.client.HTTPConnection:
    """Take the one place with a stream that goes on until the connection is closed."""
    holder = http.client.HTTPConnection("127.0.0.1", int(http_port))
    body = json.dumps({"text_input": "a", "max_tokens": TOKENS})
    holder.request("POST", "/v2/models/endless/generate_stream", body)
    assert holder.getresponse().readline().startswith(b"data: ")
    return holder


async def check(http_port: str, grpc_port: str) -> None:
    url = f"http://127.0.0.1:{http_port}"
    over_rest = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    async with InferenceGRPCClient(f"127.0.0.1:{grpc_port}", retries=0) as over_grpc:
        for (status, code), asked in REFUSED.items():
            await refused(status, code, partial(over_rest.infer, url, asked, model_name=asked.model_name))
            await refused(status, code, partial(over_grpc.infer, asked))
        holder = hold(http_port)
        asked = request("multiply")
        await refused(429, "RESOURCE_EXHAUSTED", partial(over_rest.infer, url, asked, model_name="multiply"))
        await refused(429, "RESOURCE_EXHAUSTED", partial(over_grpc.infer, asked))
        holder.close()
    await over_rest.close()


if __name__ == "__main__":
    asyncio.run(check(*sys.argv[1:3]))

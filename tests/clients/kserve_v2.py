"""Drive the gateway with kserve's clients for protocol v2: `python kserve_v2.py HTTP_PORT GRPC_PORT`."""

from __future__ import annotations

import asyncio
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def request(model: str, *, binary: bool) -> InferRequest:
    given = InferInput("x", list(X.shape), "FP32")
    given.set_data_from_numpy(X, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[given], request_id="k-1")


async def check_rest(url: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "multiply")
    assert not await client.is_model_ready(url, "nothing")
    for binary in (True, False):
        answer = await client.infer(url, request("multiply", binary=binary), model_name="multiply")
        assert answer.id == "k-1"
        assert np.array_equal(answer.outputs[0].as_numpy(), X * 2)
    wanted = request("multiply", binary=True)
    wanted.parameters = {"binary_data_output": True}
    answer = await client.infer(url, wanted, model_name="multiply")
    assert np.array_equal(answer.outputs[0].as_numpy(), X * 2)
    try:
        await client.infer(url, request("nothing", binary=False), model_name="nothing")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
        assert "Request for unknown model: 'nothing' is not found" in str(error)
    else:
        raise AssertionError("it was not refused")
    await client.close()


async def check_grpc(url: str) -> None:
    async with InferenceGRPCClient(url) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("multiply")
        for binary in (True, False):
            answer = await client.infer(request("multiply", binary=binary))
            assert answer.id == "k-1"
            assert np.array_equal(answer.outputs[0].as_numpy(), X * 2)
        try:
            await client.is_model_ready("nothing")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND
        else:
            raise AssertionError("it was not refused")


def main() -> None:
    asyncio.run(check_rest(f"http://127.0.0.1:{sys.argv[1]}"))
    asyncio.run(check_grpc(f"127.0.0.1:{sys.argv[2]}"))


if __name__ == "__main__":
    main()

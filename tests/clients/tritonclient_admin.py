"""Load and unload with tritonclient, with the key and without: `python tritonclient_admin.py HTTP GRPC KEY`.

The server has the model `multiply`, and `broken`, whose version 1 does not load.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http.aio as http_aio
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def refused(statuses: tuple[str, str], call, *arguments, **named) -> str:
    """Return the message; `statuses` are those over HTTP and over gRPC."""
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        assert error.status() in (statuses[0], f"StatusCode.{statuses[1]}"), str(error)
        return error.message()
    raise AssertionError("it was not refused")


def states(client: Any, **shown: Any) -> dict[str, tuple[str, str]]:
    if isinstance(client, grpc.InferenceServerClient):
        models = client.get_model_repository_index(as_json=True, **shown)["models"]
    else:
        models = client.get_model_repository_index(**shown)
    return {each["name"]: (each["state"], each.get("reason", "")) for each in models}


def infer(module: Any, client: Any) -> None:
    given = module.InferInput("x", list(X.shape), "FP32")
    given.set_data_from_numpy(X)
    assert np.array_equal(client.infer("multiply", [given]).as_numpy("y"), X * 2)


def check(module: Any, client: Any, key: str) -> None:
    shown = {"headers": {"authorization": f"Bearer {key}"}}
    wrong = {"headers": {"authorization": "Bearer of no good key"}}
    extensions = client.get_server_metadata()
    assert "model_repository(unload_dependents)" in str(extensions)
    for headers in ({}, wrong):
        refused(("401", "UNAUTHENTICATED"), client.load_model, "multiply", **headers)
        refused(("401", "UNAUTHENTICATED"), client.unload_model, "multiply", **headers)
    infer(module, client)

    client.unload_model("multiply", **shown)
    assert not client.is_model_ready("multiply")
    assert states(client)["multiply"] == ("UNAVAILABLE", "unloaded")
    refused(("503", "UNAVAILABLE"), infer, module, client)
    client.unload_model("multiply", unload_dependents=True, **shown)

    client.load_model("multiply", **shown)
    assert client.is_model_ready("multiply")
    assert states(client)["multiply"] == ("READY", "")
    infer(module, client)
    client.load_model("multiply", **shown)

    message = refused(("404", "NOT_FOUND"), client.load_model, "nothing", **shown)
    assert message == "Request for unknown model: 'nothing' is not found"
    refused(("404", "NOT_FOUND"), client.unload_model, "nothing", **shown)
    message = refused(("400", "INVALID_ARGUMENT"), client.load_model, "broken", **shown)
    assert "failed to load version 1 of model 'broken'" in message
    assert "missing" in message
    message = refused(("501", "UNIMPLEMENTED"), client.load_model, "multiply", config="{}", **shown)
    assert "overrides are not taken" in message


async def check_aio(module: Any, url: str, key: str) -> None:
    shown = {"authorization": f"Bearer {key}"}
    async with module.InferenceServerClient(url) as client:
        await client.unload_model("multiply", headers=shown)
        assert not await client.is_model_ready("multiply")
        await client.load_model("multiply", headers=shown)
        assert await client.is_model_ready("multiply")


def main() -> None:
    urls, key = [f"127.0.0.1:{port}" for port in sys.argv[1:3]], sys.argv[3]
    with http.InferenceServerClient(urls[0]) as client:
        check(http, client, key)
    with grpc.InferenceServerClient(urls[1]) as client:
        check(grpc, client, key)
        files = {"file:1/model.onnx": b"x"}
        shown = {"authorization": f"Bearer {key}"}
        refused(
            ("501", "UNIMPLEMENTED"), client.load_model, "multiply", config="{}", files=files, headers=shown
        )
    asyncio.run(check_aio(http_aio, urls[0], key))
    asyncio.run(check_aio(grpc_aio, urls[1], key))


if __name__ == "__main__":
    main()

"""Drive the gateway with tritonclient's HTTP clients: `python tritonclient_http.py HTTP_PORT GRPC_PORT`."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import tritonclient.http.aio as http_aio
from tritonclient import http
from tritonclient.utils import InferenceServerException

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def tensor(module, name: str, array: np.ndarray, datatype: str, *, binary: bool = True):
    given = module.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def refused(status: str, call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        assert error.status() == status, (error.status(), error.message())
        return error.message()
    raise AssertionError("it was not refused")


def check_health_and_metadata(client: http.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("multiply")
    assert client.is_model_ready("multiply", "1")
    assert not client.is_model_ready("multiply", "9")
    assert not client.is_model_ready("nothing")
    server = client.get_server_metadata()
    assert server["name"] == "sluice"
    assert "binary_tensor_data" in server["extensions"]
    assert client.get_model_metadata("multiply") == {
        "name": "multiply",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
        "properties": {"signatures": "multiply"},
    }
    assert client.get_model_metadata("multiply", "1")["versions"] == ["1"]
    config = client.get_model_config("multiply", "1")
    assert config["max_batch_size"] == 64
    (given,) = config["input"]
    assert (given["name"], given["data_type"], given["dims"]) == ("x", "TYPE_FP32", [4])
    assert config["version_policy"] == {"specific": {"versions": [1]}}
    assert "dynamic_batching" in config
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert index["multiply"] == {"name": "multiply", "version": "1", "state": "READY"}


def check_infer(client: http.InferenceServerClient) -> None:
    for binary_in in (True, False):
        for binary_out in (True, False):
            for compression in (None, "gzip", "deflate"):
                result = client.infer(
                    "multiply",
                    [tensor(http, "x", X, "FP32", binary=binary_in)],
                    outputs=[http.InferRequestedOutput("y", binary_data=binary_out)],
                    request_id="a-1",
                    request_compression_algorithm=compression,
                    response_compression_algorithm=compression,
                )
                y = result.as_numpy("y")
                assert y.dtype == np.float32
                assert np.array_equal(y, X * 2)
                assert result.get_response()["id"] == "a-1"
                assert result.get_response()["model_version"] == "1"
    large = np.tile(X, (4096, 1))
    for compression in ("gzip", "deflate"):
        result = client.infer(
            "multiply",
            [tensor(http, "x", large, "FP32")],
            model_version="1",
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        assert np.array_equal(result.as_numpy("y"), large * 2)
    waiting = [client.async_infer("multiply", [tensor(http, "x", X + n, "FP32")]) for n in range(8)]
    for n, each in enumerate(waiting):
        assert np.array_equal(each.get_result().as_numpy("y"), (X + n) * 2)


def check_types(client: http.InferenceServerClient) -> None:
    inputs = {
        "count": (np.array([[1, -2]], np.int64), "INT64"),
        "flag": (np.array([[True, False]]), "BOOL"),
        "half": (np.array([[0.5, 2]], np.float16), "FP16"),
    }
    given = [tensor(http, name, *value) for name, value in inputs.items()]
    result = client.infer("mixed", given)
    assert result.as_numpy("doubled").tolist() == [[2, -4]]
    assert result.as_numpy("inverted").tolist() == [[False, True]]
    assert result.as_numpy("halves").dtype == np.float16
    assert result.as_numpy("halves").tolist() == [[1, 4]]
    outputs = [http.InferRequestedOutput(name, binary_data=False) for name in ("inverted", "doubled")]
    given = [tensor(http, name, *value, binary=name == "half") for name, value in inputs.items()]
    result = client.infer("mixed", given, outputs=outputs)
    assert [each["name"] for each in result.get_response()["outputs"]] == ["inverted", "doubled"]
    assert result.as_numpy("doubled").tolist() == [[2, -4]]
    texts = np.array(["grüße".encode(), b"", b"x"], object)
    for binary in (True, False):
        result = client.infer(
            "mixed",
            [tensor(http, "words", texts, "BYTES", binary=binary)],
            outputs=[http.InferRequestedOutput("same", binary_data=binary)],
            parameters={"signature": "echo"},
        )
        same = result.as_numpy("same").tolist()
        assert [each if isinstance(each, bytes) else each.encode() for each in same] == texts.tolist()


def check_extensions(client: http.InferenceServerClient) -> None:
    image = np.zeros((1, 4, 4, 1), np.float32)
    result = client.infer(
        "shapes",
        [tensor(http, "image", image, "FP32")],
        outputs=[http.InferRequestedOutput("probabilities", class_count=2)],
    )
    best = [each.decode() for each in result.as_numpy("probabilities")[0]]
    assert len(best) == 2
    assert best[0].endswith(":0:dark")
    before = client.get_inference_statistics("multiply", "1")["model_stats"][0]
    client.infer("multiply", [tensor(http, "x", X, "FP32")], timeout=10_000_000, priority=1)
    after = client.get_inference_statistics("multiply", "1")["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 2
    assert after["execution_count"] == before["execution_count"] + 1
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert after["last_inference"] >= before["last_inference"]
    assert {each["name"] for each in client.get_inference_statistics()["model_stats"]} >= {
        "multiply",
        "mixed",
    }
    assert client.get_trace_settings("multiply")["trace_level"] == ["OFF"]
    assert client.get_log_settings()["log_format"] == "default"


def check_refusals(client: http.InferenceServerClient) -> None:
    given = [tensor(http, "x", X, "FP32")]
    message = refused("404", client.infer, "nothing", given)
    assert message == "Request for unknown model: 'nothing' is not found"
    refused("404", client.infer, "multiply", given, model_version="9")
    refused("404", client.infer, "multiply", given, parameters={"signature": "none"})
    refused("404", client.get_model_metadata, "nothing")
    assert "integral value" in refused("400", client.get_model_metadata, "multiply", "one")
    refused("400", client.infer, "multiply", [tensor(http, "z", X, "FP32")])
    refused("400", client.infer, "multiply", [tensor(http, "x", X[:, :3], "FP32")])
    refused("400", client.infer, "multiply", given, outputs=[http.InferRequestedOutput("z")])
    assert "not allowed" in refused("403", client.load_model, "multiply")
    assert "not allowed" in refused("403", client.unload_model, "multiply")
    refused("501", client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]})
    refused("501", client.update_log_settings, {"log_verbose_level": 1})
    half = [
        tensor(http, "count", np.ones((1, 2), np.int64), "INT64"),
        tensor(http, "flag", np.ones((1, 2), bool), "BOOL"),
        tensor(http, "half", np.ones((1, 2), np.float16), "FP16"),
    ]
    wanted = [http.InferRequestedOutput("halves", binary_data=False)]
    assert "FP16 data via JSON is not supported" in refused(
        "400", client.infer, "mixed", half, outputs=wanted
    )


async def check_aio(url: str) -> None:
    async with http_aio.InferenceServerClient(url) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("multiply")
        assert (await client.get_model_metadata("multiply"))["inputs"][0]["shape"] == [-1, 4]
        for algorithm in (None, "gzip", "deflate"):
            results = await asyncio.gather(
                *(
                    client.infer(
                        "multiply",
                        [tensor(http_aio, "x", X + n, "FP32")],
                        request_compression_algorithm=algorithm,
                        response_compression_algorithm=algorithm,
                    )
                    for n in range(8)
                )
            )
            for n, result in enumerate(results):
                assert np.array_equal(result.as_numpy("y"), (X + n) * 2)
        try:
            await client.infer("nothing", [tensor(http_aio, "x", X, "FP32")])
        except InferenceServerException as error:
            assert error.status() == "404"
        else:
            raise AssertionError("it was not refused")


def main() -> None:
    url = f"127.0.0.1:{sys.argv[1]}"
    with http.InferenceServerClient(url, concurrency=4) as client:
        check_health_and_metadata(client)
        check_infer(client)
        check_types(client)
        check_extensions(client)
        check_refusals(client)
    asyncio.run(check_aio(url))


if __name__ == "__main__":
    main()

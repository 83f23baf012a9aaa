"""Drive the gateway with tritonclient's gRPC clients: `python tritonclient_grpc.py HTTP_PORT GRPC_PORT`."""

from __future__ import annotations

import asyncio
import queue
import sys

import numpy as np
import tritonclient.grpc.aio as grpc_aio
from tritonclient import grpc
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def tensor(name: str, array: np.ndarray, datatype: str) -> grpc.InferInput:
    given = grpc.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def text(prompt: str) -> list[grpc.InferInput]:
    return [tensor("text_input", np.array([prompt.encode()], object), "BYTES")]


def refused(status: str, call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{status}", (error.status(), error.message())
        return error.message()
    raise AssertionError("it was not refused")


def check_health_and_metadata(client: grpc.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("multiply")
    assert client.is_model_ready("multiply", "1")
    assert not client.is_model_ready("broken")
    assert client.get_server_metadata().name == "sluice"
    metadata = client.get_model_metadata("multiply")
    assert list(metadata.inputs[0].shape) == [-1, 4]
    assert metadata.outputs[0].datatype == "FP32"
    assert list(metadata.versions) == ["1"]
    config = client.get_model_config("multiply", "1", as_json=False).config
    assert config.max_batch_size == 64
    assert list(config.input[0].dims) == [4]
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    index = client.get_model_repository_index()
    assert ("multiply", "1", "READY") in [(each.name, each.version, each.state) for each in index.models]


def check_infer(client: grpc.InferenceServerClient) -> None:
    for algorithm in (None, "gzip", "deflate"):
        result = client.infer(
            "multiply",
            [tensor("x", X, "FP32")],
            request_id="a-1",
            compression_algorithm=algorithm,
            outputs=[grpc.InferRequestedOutput("y")],
        )
        assert np.array_equal(result.as_numpy("y"), X * 2)
        assert result.get_response().id == "a-1"
        assert result.get_response().model_version == "1"
    answers: queue.Queue = queue.Queue()
    for n in range(8):
        given = [tensor("x", X + n, "FP32")]
        client.async_infer(
            "multiply", given, lambda result, error, n=n: answers.put((n, result, error)), timeout=10_000_000
        )
    for _ in range(8):
        n, result, error = answers.get(timeout=20)
        assert error is None, error
        assert np.array_equal(result.as_numpy("y"), (X + n) * 2)


def check_types(client: grpc.InferenceServerClient) -> None:
    given = [
        tensor("count", np.array([[1, -2]], np.int64), "INT64"),
        tensor("flag", np.array([[True, False]]), "BOOL"),
        tensor("half", np.array([[0.5, 2]], np.float16), "FP16"),
    ]
    result = client.infer("mixed", given)
    assert result.as_numpy("doubled").tolist() == [[2, -4]]
    assert result.as_numpy("inverted").tolist() == [[False, True]]
    assert result.as_numpy("halves").tolist() == [[1, 4]]
    texts = np.array(["grüße".encode(), b"", b"x"], object)
    result = client.infer("mixed", [tensor("words", texts, "BYTES")], parameters={"signature": "echo"})
    assert result.as_numpy("same").tolist() == texts.tolist()
    image = tensor("image", np.zeros((1, 4, 4, 1), np.float32), "FP32")
    wanted = [grpc.InferRequestedOutput("probabilities", class_count=3)]
    best = client.infer("shapes", [image], outputs=wanted).as_numpy("probabilities")[0].tolist()
    assert best[0].endswith(b":0:dark")
    assert len(best) == 3


def check_typed_contents(client: grpc.InferenceServerClient) -> None:
    request = service_pb2.ModelInferRequest(model_name="multiply")
    given = request.inputs.add(name="x", datatype="FP32", shape=[2, 4])
    given.contents.fp32_contents.extend(X.ravel().tolist())
    response = client._client_stub.ModelInfer(request)
    assert np.array_equal(np.frombuffer(response.raw_output_contents[0], np.float32).reshape(2, 4), X * 2)
    request.raw_input_contents.append(X.tobytes())
    try:
        client._client_stub.ModelInfer(request)
    except Exception as error:
        assert error.code().name == "INVALID_ARGUMENT"
        assert "raw_input_contents" in error.details()
    else:
        raise AssertionError("it was not refused")


def check_extensions(client: grpc.InferenceServerClient) -> None:
    before = client.get_inference_statistics("multiply", "1").model_stats[0]
    client.infer("multiply", [tensor("x", X, "FP32")])
    after = client.get_inference_statistics("multiply", "1").model_stats[0]
    assert after.inference_count == before.inference_count + 2
    assert after.execution_count == before.execution_count + 1
    assert after.inference_stats.success.ns > before.inference_stats.success.ns
    assert len(client.get_inference_statistics().model_stats) > 3
    assert list(client.get_trace_settings("multiply").settings["trace_level"].value) == ["OFF"]
    assert client.get_log_settings().settings["log_format"].string_param == "default"


def check_refusals(client: grpc.InferenceServerClient) -> None:
    given = [tensor("x", X, "FP32")]
    message = refused("NOT_FOUND", client.infer, "nothing", given)
    assert message == "Request for unknown model: 'nothing' is not found"
    refused("NOT_FOUND", client.infer, "multiply", given, model_version="9")
    refused("NOT_FOUND", client.is_model_ready, "nothing")
    refused("INVALID_ARGUMENT", client.infer, "multiply", [tensor("z", X, "FP32")])
    refused("INVALID_ARGUMENT", client.infer, "multiply", given, model_version="one")
    refused("PERMISSION_DENIED", client.load_model, "multiply")
    refused("PERMISSION_DENIED", client.unload_model, "multiply")
    refused("UNIMPLEMENTED", client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]})
    refused("UNIMPLEMENTED", client.update_log_settings, {"log_verbose_level": 1})
    refused("UNIMPLEMENTED", client.get_system_shared_memory_status)


def check_stream(client: grpc.InferenceServerClient, expected: str) -> None:
    answers: queue.Queue = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for n in range(3):
        client.async_stream_infer("multiply", [tensor("x", X + n, "FP32")], request_id=str(n))
    client.async_stream_infer("nothing", [tensor("x", X, "FP32")])
    for n in range(3):
        result, error = answers.get(timeout=20)
        assert error is None, error
        assert result.get_response().id == str(n)
        assert np.array_equal(result.as_numpy("y"), (X + n) * 2)
    result, error = answers.get(timeout=20)
    assert "unknown model" in error.message()
    for empty in (False, True):
        client.async_stream_infer(
            "letters",
            text("ab"),
            request_id="t",
            enable_empty_final_response=empty,
            parameters={"max_tokens": 20, "temperature": 0},
        )
        said = ""
        pieces = 0
        while True:
            result, error = answers.get(timeout=20)
            assert error is None, error
            response = result.get_response()
            last = response.parameters["triton_final_response"].bool_param
            if response.outputs:
                said += result.as_numpy("text_output")[0].decode()
                pieces += 1
            if last:
                assert bool(response.outputs) is not empty
                break
        assert said == expected, (said, expected)
        assert pieces > 1
    client.stop_stream()


async def check_aio(url: str, expected: str) -> None:
    async with grpc_aio.InferenceServerClient(url) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready("multiply")
        asked = (client.infer("multiply", [tensor("x", X + n, "FP32")]) for n in range(8))
        for n, result in enumerate(await asyncio.gather(*asked)):
            assert np.array_equal(result.as_numpy("y"), (X + n) * 2)
        whole = await client.infer("letters", text("ab"), parameters={"max_tokens": 20, "temperature": 0})
        assert whole.as_numpy("text_output").tolist() == [expected.encode()]

        async def requests():
            yield {
                "model_name": "letters",
                "inputs": text("ab"),
                "parameters": {"max_tokens": 20, "temperature": 0},
            }

        said = ""
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            said += result.as_numpy("text_output")[0].decode()
        assert said == expected


def main() -> None:
    url, expected = f"127.0.0.1:{sys.argv[2]}", sys.argv[3]
    with grpc.InferenceServerClient(url) as client:
        check_health_and_metadata(client)
        check_infer(client)
        check_types(client)
        check_typed_contents(client)
        check_extensions(client)
        check_refusals(client)
        check_stream(client, expected)
    asyncio.run(check_aio(url, expected))


if __name__ == "__main__":
    main()

import asyncio
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from pb import oip_pb2 as pb
from pb.oip_pb2_grpc import GRPCInferenceServiceStub
from service.domain import GenerateRequest, ModelRef
from service.errors import Internal, NotFound, Overloaded, TimedOut, Unavailable
from tests.support.gateway import FakeGateway, manifest

SERVICE = "/inference.GRPCInferenceService"
X = np.array([[1, 2]], np.float32)


def infer_request(**fields: Any) -> pb.ModelInferRequest:
    asked = pb.ModelInferRequest(model_name="fake", raw_input_contents=[X.tobytes()], **fields)
    asked.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    return asked


async def test_infer_asks_the_gateway_and_answers_raw(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    answer = await GRPCInferenceServiceStub(channel).ModelInfer(infer_request(id="7", model_version="3"))
    assert (answer.model_name, answer.model_version, answer.id) == ("fake", "3", "7")
    assert answer.raw_output_contents == [gateway.outputs["y"].tobytes()]
    ref, asked, call = gateway.asked[0]
    assert ref == ModelRef("fake", 3)
    assert asked.inputs["x"].tolist() == [[1, 2]]
    assert call.protocol == "grpc"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("none", field="model"), grpc.StatusCode.NOT_FOUND),
        (Overloaded("full", retry_after_s=1), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (Unavailable("loading"), grpc.StatusCode.UNAVAILABLE),
        (TimedOut("late"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (Internal("internal error"), grpc.StatusCode.INTERNAL),
        (RuntimeError("secret"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_errors_are_statuses(
    channel: grpc.aio.Channel, gateway: FakeGateway, error: Exception, status: grpc.StatusCode
) -> None:
    gateway.fail = error
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await GRPCInferenceServiceStub(channel).ModelInfer(infer_request())
    assert caught.value.code() == status
    assert "secret" not in str(caught.value.details())


@pytest.mark.parametrize(
    "method", ["ModelInfer", "ModelReady", "ModelMetadata", "ModelConfig", "RepositoryIndex"]
)
async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"{SERVICE}/{method}")(b"\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_goes_on_after_an_error(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")()
    for message in (
        infer_request(id="1").SerializeToString(),
        b"\xff",
        infer_request(id="2").SerializeToString(),
    ):
        await stream.write(message)
    found = [pb.ModelStreamInferResponse.FromString(await stream.read()) for _ in range(3)]
    await stream.done_writing()
    assert await stream.read() == grpc.aio.EOF
    assert [each.infer_response.id for each in found] == ["1", "", "2"]
    assert [bool(each.error_message) for each in found] == [False, True, False]
    assert found[0].infer_response.parameters["triton_final_response"].bool_param
    assert await stream.code() == grpc.StatusCode.OK


async def test_an_idle_stream_ends_when_the_gateway_drains(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")()
    await stream.write(infer_request().SerializeToString())
    await stream.read()
    gateway.draining = True
    gateway.changes.notify()
    assert await asyncio.wait_for(stream.code(), 5) == grpc.StatusCode.UNAVAILABLE


async def test_leaving_a_stream_ends_what_it_asked_for(
    channel: grpc.aio.Channel, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = manifest().model_copy(update={"task": _Generates()})
    monkeypatch.setattr(gateway, "describe", lambda _: (gateway.states[0].model, generator))
    gateway.hold_stream = asyncio.Event()
    asked = pb.ModelInferRequest(model_name="fake", raw_input_contents=[b"\2\0\0\0ab"])
    asked.inputs.add(name="text_input", datatype="BYTES", shape=[1])
    asked.parameters["max_tokens"].int64_param = 5
    stream = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")()
    await stream.write(asked.SerializeToString())
    first = pb.ModelStreamInferResponse.FromString(await stream.read())
    assert first.infer_response.raw_output_contents == [b"\4\0\0\0one "]
    assert gateway.asked[0][1] == GenerateRequest("ab", 5)
    stream.cancel()
    await asyncio.wait_for(gateway.left.wait(), 5)


class _Generates:
    word = "generate"


async def test_metadata_config_and_index_are_told(channel: grpc.aio.Channel) -> None:
    stub = GRPCInferenceServiceStub(channel)
    metadata = await stub.ModelMetadata(pb.ModelMetadataRequest(name="fake", version="3"))
    assert list(metadata.inputs[0].shape) == [-1, 2]
    assert metadata.properties["signatures"] == "serving_default"
    config = (await stub.ModelConfig(pb.ModelConfigRequest(name="fake"))).config
    assert (config.max_batch_size, list(config.input[0].dims)) == (64, [2])
    assert config.input[0].data_type == pb.TYPE_FP32
    index = await stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
    assert [(each.name, each.state) for each in index.models] == [("fake", "READY")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelMetadata(pb.ModelMetadataRequest(name="other"))
    assert caught.value.details() == "Request for unknown model: 'other' is not found"


async def test_statistics_are_what_was_counted(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.tally.run(4, 0.25)
    gateway.tally.failed.add(0.5)
    (found,) = (
        await GRPCInferenceServiceStub(channel).ModelStatistics(pb.ModelStatisticsRequest())
    ).model_stats
    assert (found.name, found.version, found.inference_count, found.execution_count) == ("fake", "3", 4, 1)
    assert (found.inference_stats.fail.count, found.inference_stats.fail.ns) == (1, 500_000_000)
    assert [(each.batch_size, each.compute_infer.ns) for each in found.batch_stats] == [(4, 250_000_000)]

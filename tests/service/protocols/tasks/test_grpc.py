import asyncio
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.protobuf.message import Message

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service.domain import (
    ClassifyRequest,
    GenerateRequest,
    ModelRef,
    Sampling,
    ScoreRequest,
    TranslateRequest,
)
from service.errors import (
    Internal,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unavailable,
    Unsupported,
)
from service.protocols.tasks import tensors
from tests.support.gateway import FakeGateway

X = pb.Tensor(dtype="float32", shape=[1, 2], floats=[1, 2])
REQUESTS = {
    "Classify": pb.ClassifyRequest(text="hello"),
    "Generate": pb.GenerateRequest(prompt="hello"),
    "GenerateStream": pb.GenerateRequest(prompt="hello"),
    "Translate": pb.TranslateRequest(texts=["hello"]),
    "Score": pb.ScoreRequest(rows=[pb.Features(values=[1, 2])]),
    "Predict": pb.PredictRequest(inputs={"x": X}),
}
METHODS = sorted(REQUESTS)


async def ask(channel: grpc.aio.Channel, method: str, request: Message, **call: Any) -> list[Any]:
    """Return the answer, or all of a stream."""
    started = getattr(InferenceStub(channel), method)(request, **call)
    if method.endswith("Stream"):
        return [chunk async for chunk in started]
    return [await started]


async def raw(channel: grpc.aio.Channel, method: str, message: bytes) -> Any:
    kind = channel.unary_stream if method.endswith("Stream") else channel.unary_unary
    call = kind(f"/sluice.v1.Inference/{method}")(message)
    return [chunk async for chunk in call] if method.endswith("Stream") else await call


def told(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str | None]:
    """Return status and field."""
    metadata = dict(error.trailing_metadata())
    assert metadata["sluice-request-id"]
    return error.code(), metadata.get("sluice-error-field")


async def test_classify_answers_with_labels(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    model = pb.ModelRef(name="fake", version=3)
    request = pb.ClassifyRequest(model=model, image=b"png", top_k=2)
    (reply,) = await ask(channel, "Classify", request)
    assert (reply.model.name, reply.model.version) == ("fake", 3)
    assert [(each.label, each.probability) for each in reply.labels] == [("yes", 0.75), ("no", 0.25)]
    assert (reply.timing.batch_rows, reply.timing.reason) == (7, "full")
    ref, asked, call = gateway.asked[0]
    assert ref == ModelRef("fake", 3, None)
    assert asked == ClassifyRequest(image=b"png", top_k=2)
    assert call.protocol == "grpc"


async def test_classify_takes_each_form_of_input(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    pixels = tensors.encode(np.array([[0, 255]], np.uint8))
    await ask(channel, "Classify", pb.ClassifyRequest(pixels=pixels, scaled=True))
    await ask(channel, "Classify", pb.ClassifyRequest(features=pb.Features(values=[1, 2.5])))
    await ask(channel, "Classify", pb.ClassifyRequest(features=pb.Features(by_name={"a": 1})))
    first, second, third = (request for _, request, _ in gateway.asked)
    assert first.scaled
    assert first.pixels.tolist() == [[0, 255]]
    assert second == ClassifyRequest(features=[1.0, 2.5])
    assert third == ClassifyRequest(features={"a": 1.0})


async def test_generate_answers_at_once_or_as_it_is_made(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    request = pb.GenerateRequest(
        model=pb.ModelRef(label="stable"),
        prompt="p",
        max_tokens=3,
        temperature=0,
        top_k=4,
        top_p=0.5,
        seed=1,
        stop=["x"],
    )
    (reply,) = await ask(channel, "Generate", request)
    assert (reply.text, reply.finish_reason) == ("one two three", "length")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 3)
    chunks = await ask(channel, "GenerateStream", request)
    assert [chunk.text for chunk in chunks] == ["one ", "two ", "three"]
    assert [chunk.HasField("finish_reason") for chunk in chunks] == [False, False, True]
    assert chunks[-1].usage.completion_tokens == 3
    for ref, asked, _ in gateway.asked:
        assert ref == ModelRef(None, None, "stable")
        assert asked == GenerateRequest("p", 3, Sampling(0.0, 4, 0.5, 1), ("x",))


async def test_what_is_not_set_has_the_same_default_as_over_rest(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    for method in METHODS:
        await ask(channel, method, REQUESTS[method])
    asked = {type(request): request for _, request, _ in gateway.asked}
    assert asked[ClassifyRequest] == ClassifyRequest(text="hello")
    assert asked[GenerateRequest] == GenerateRequest("hello")
    assert asked[TranslateRequest] == TranslateRequest(("hello",))
    assert asked[ScoreRequest] == ScoreRequest(([1.0, 2.0],))
    assert all(ref == ModelRef() for ref, _, _ in gateway.asked)


async def test_translate_and_score_answer_for_each_item(channel: grpc.aio.Channel) -> None:
    (reply,) = await ask(channel, "Translate", pb.TranslateRequest(texts=["a", "b"], beams=2))
    assert [each.text for each in reply.translations] == ["A", "B"]
    rows = [pb.Features(values=[1]), pb.Features(by_name={"a": 1})]
    (reply,) = await ask(channel, "Score", pb.ScoreRequest(rows=rows))
    assert reply.threshold == 1.5
    assert [(row.score, row.is_anomaly) for row in reply.rows] == [(2.5, True), (2.5, True)]
    assert reply.rows[0].contributions[0].feature == "height"


async def test_predict_answers_with_tensors(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.outputs = {"y": np.array([[0.5]], np.float32), "words": np.array(["a", "b"], object)}
    request = pb.PredictRequest(signature="encode", inputs={"x": X}, outputs=["y"])
    (reply,) = await ask(channel, "Predict", request)
    assert reply.signature == "encode"
    assert tensors.decode(reply.outputs["y"], "y").tolist() == [[0.5]]
    assert tensors.decode(reply.outputs["words"], "words").tolist() == ["a", "b"]
    asked = gateway.asked[0][1]
    assert (asked.inputs["x"].tolist(), asked.outputs) == ([[1, 2]], ("y",))


async def test_models_are_listed_and_described(channel: grpc.aio.Channel) -> None:
    (reply,) = await ask(channel, "ListModels", pb.ListModelsRequest())
    assert [(version.version, version.state) for version in reply.models[0].versions] == [
        (3, "available"),
        (4, "failed"),
    ]
    (reply,) = await ask(channel, "GetModel", pb.GetModelRequest(model=pb.ModelRef(name="fake")))
    tensor = reply.signatures["serving_default"].inputs[0]
    assert (tensor.name, tensor.dtype, [str(axis).strip() for axis in tensor.shape]) == (
        "x",
        "float32",
        ['name: "batch"', "size: 2"],
    )
    assert list(reply.labels) == ["no", "yes"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, "GetModel", pb.GetModelRequest(model=pb.ModelRef(name="none")))
    assert told(caught.value) == (grpc.StatusCode.NOT_FOUND, "model")


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_an_invalid_argument(
    channel: grpc.aio.Channel, method: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, method, b"\xff\xff\xff\xff")
    assert told(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "message")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("wrong", field="inputs.größe"), grpc.StatusCode.INVALID_ARGUMENT),
        (NotFound("no ü", field="model"), grpc.StatusCode.NOT_FOUND),
        (Overloaded("full", retry_after_s=3), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (Internal("internal error"), grpc.StatusCode.INTERNAL),
        (Unsupported("cannot"), grpc.StatusCode.UNIMPLEMENTED),
        (Unavailable("loading", retry_after_s=1), grpc.StatusCode.UNAVAILABLE),
        (TimedOut("late"), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_an_error_of_the_gateway_becomes_its_status(
    channel: grpc.aio.Channel, gateway: FakeGateway, method: str, error: ServiceError, status: grpc.StatusCode
) -> None:
    gateway.fail = error
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, method, REQUESTS[method])
    assert told(caught.value)[0] == status
    assert caught.value.details() == error.message
    metadata = dict(caught.value.trailing_metadata())
    assert ("sluice-error-field" in metadata) is (error.field is not None)
    assert ("sluice-retry-after-s" in metadata) is (error.retry_after_s is not None)


@pytest.mark.parametrize("method", METHODS)
async def test_an_unexpected_error_tells_nothing(
    channel: grpc.aio.Channel, gateway: FakeGateway, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail = RuntimeError("secret")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, method, REQUESTS[method], metadata=(("x-request-id", "mine-1"),))
    assert told(caught.value)[0] == grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error"
    assert "mine-1" in caplog.text


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("Classify", pb.ClassifyRequest(), "image"),
        ("Classify", pb.ClassifyRequest(image=b""), "image"),
        ("Classify", pb.ClassifyRequest(text="a", top_k=0), "top_k"),
        ("Classify", pb.ClassifyRequest(features=pb.Features(values=[float("nan")])), "features[0]"),
        ("Classify", pb.ClassifyRequest(features=pb.Features(values=[1], by_name={"a": 1})), "features"),
        ("Classify", pb.ClassifyRequest(pixels=pb.Tensor(dtype="uint8", shape=[2], raw=b"a")), "pixels.raw"),
        ("Generate", pb.GenerateRequest(prompt="a", max_tokens=-1), "max_tokens"),
        ("Generate", pb.GenerateRequest(prompt="a", temperature=float("nan")), "temperature"),
        ("GenerateStream", pb.GenerateRequest(prompt="a", top_p=2), "top_p"),
        ("Translate", pb.TranslateRequest(), "texts"),
        ("Translate", pb.TranslateRequest(texts=["a"], beams=0), "beams"),
        ("Score", pb.ScoreRequest(), "rows"),
        ("Score", pb.ScoreRequest(rows=[pb.Features(values=[1, float("inf")])]), "rows[0][1]"),
        ("Score", pb.ScoreRequest(rows=[pb.Features(values=[1], by_name={"a": 1})]), "rows[0]"),
        ("Predict", pb.PredictRequest(inputs={"x": pb.Tensor(dtype="float32", shape=[3])}), "inputs.x"),
        ("Predict", pb.PredictRequest(inputs={"x": X}, outputs=["y", "y"]), "outputs"),
        ("Predict", pb.PredictRequest(model=pb.ModelRef(name="../x")), "model"),
        ("Predict", pb.PredictRequest(model=pb.ModelRef(version=0)), "version"),
        ("Predict", pb.PredictRequest(model=pb.ModelRef(label="")), "label"),
        ("GetModel", pb.GetModelRequest(model=pb.ModelRef(name="a/b")), "model"),
    ],
)
async def test_a_wrong_field_is_named(
    channel: grpc.aio.Channel, gateway: FakeGateway, method: str, request_message: Message, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, method, request_message)
    assert told(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert gateway.asked == []


async def test_a_large_message_is_refused(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "Predict", b"x" * 5000)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_that_is_large_when_unpacked_is_refused(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary("/sluice.v1.Inference/Predict")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(bytes(10_000_000), compression=grpc.Compression.Gzip)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "Destroy", b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_the_deadline_of_the_caller_is_that_of_the_call(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    now_s = asyncio.get_running_loop().time()
    await ask(channel, "Predict", REQUESTS["Predict"], timeout=3)
    await ask(channel, "Predict", REQUESTS["Predict"])
    deadlines = [call.deadline_at_s - now_s for _, _, call in gateway.asked]
    assert deadlines == pytest.approx([3, 5], abs=0.5)


async def test_a_passed_deadline_cancels_the_work(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.hold = asyncio.Event()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, "Generate", REQUESTS["Generate"], timeout=0.05)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(gateway.left.wait(), 5)


async def test_a_caller_who_leaves_closes_the_stream(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.hold_stream = asyncio.Event()
    call = InferenceStub(channel).GenerateStream(REQUESTS["GenerateStream"])
    first = await call.read()
    assert first.text == "one "
    call.cancel()
    await asyncio.wait_for(gateway.left.wait(), 5)


async def test_an_error_in_the_middle_of_a_stream_is_its_status(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    gateway.fail_after = Unavailable("going down", retry_after_s=1)
    call = InferenceStub(channel).GenerateStream(REQUESTS["GenerateStream"])
    texts = [(await call.read()).text for _ in range(3)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert texts == ["one ", "two ", "three"]
    assert told(caught.value)[0] == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_tells_its_request(channel: grpc.aio.Channel, method: str) -> None:
    call = getattr(InferenceStub(channel), method)(REQUESTS[method], metadata=(("x-request-id", "mine-1"),))
    if method.endswith("Stream"):
        assert len([chunk async for chunk in call]) == 3
    assert dict(await call.trailing_metadata())["sluice-request-id"] == "mine-1"

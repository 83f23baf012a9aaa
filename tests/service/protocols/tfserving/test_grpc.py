from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.protobuf.message import Message

from pb import tensorflow_pb2 as tf
from pb import tfserving_pb2 as pb
from service.domain import ModelRef
from service.errors import NotFound, Overloaded
from service.protocols.tfserving import tensors
from tests.support.gateway import FakeGateway

X = tensors.encode(np.array([[1, 2]], np.float32))
SPEC = pb.ModelSpec(name="fake")
EXAMPLE = tf.Example()
for _name in ("height", "width"):
    EXAMPLE.features.feature[_name].float_list.value.append(1.5)
INPUT = pb.Input(example_list=pb.ExampleList(examples=[EXAMPLE]))
CLASSIFY = "tensorflow/serving/classify"

ANSWERS = {
    "Predict": pb.PredictResponse,
    "Classify": pb.ClassificationResponse,
    "Regress": pb.RegressionResponse,
    "MultiInference": pb.MultiInferenceResponse,
    "GetModelMetadata": pb.GetModelMetadataResponse,
    "GetModelStatus": pb.GetModelStatusResponse,
}


async def ask(channel: grpc.aio.Channel, method: str, request: Message | bytes) -> Any:
    service = "ModelService" if method == "GetModelStatus" else "PredictionService"
    message = request if isinstance(request, bytes) else request.SerializeToString()
    call = channel.unary_unary(f"/tensorflow.serving.{service}/{method}")
    return ANSWERS[method].FromString(await call(message))


async def refusal(channel: grpc.aio.Channel, method: str, request: Message | bytes) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(channel, method, request)
    return caught.value.code().name, caught.value.details() or ""


async def test_predict_answers_with_tensors_and_who_answered(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    spec = pb.ModelSpec(name="fake", version_label="stable")
    reply = await ask(
        channel, "Predict", pb.PredictRequest(model_spec=spec, inputs={"x": X}, output_filter=["p"])
    )
    assert list(reply.outputs["y"].float_val) == [np.float32(0.1), 0.25]
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("fake", 3)
    assert reply.model_spec.signature_name == "serving_default"
    ref, request, _ = gateway.asked[0]
    assert ref == ModelRef("fake", None, "stable")
    assert request.inputs["x"].tolist() == [[1, 2]]
    assert (request.signature, request.outputs) == ("serving_default", ("p",))


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (pb.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (pb.PredictRequest(model_spec=pb.ModelSpec()), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (pb.PredictRequest(model_spec=pb.ModelSpec(name="no")), "NOT_FOUND", "Servable not found for request: Latest(no)"),
        (pb.PredictRequest(model_spec=pb.ModelSpec(name="fake", signature_name="no")), "INVALID_ARGUMENT", 'Serving signature key "no" not found.'),
        (pb.PredictRequest(model_spec=SPEC), "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."),
        (pb.PredictRequest(model_spec=SPEC, inputs={"z": X}), "INVALID_ARGUMENT", "input tensor alias not found in signature: z. Inputs expected to be in the set {x}."),
        (pb.PredictRequest(model_spec=SPEC, inputs={"x": tf.TensorProto(dtype=2)}), "INVALID_ARGUMENT", "input tensor x: expected DT_FLOAT but DT_DOUBLE is provided"),
        (pb.PredictRequest(model_spec=SPEC, inputs={"x": X}, output_filter=["z"]), "INVALID_ARGUMENT", "output tensor alias not found in signature: z Outputs expected to be in the set {p}."),
        (pb.PredictRequest(model_spec=SPEC, inputs={"x": X}, output_filter=["p", "p"]), "INVALID_ARGUMENT", "duplicate output tensor alias: p"),
    ],
)  # fmt: skip
async def test_what_predict_refuses_is_told_in_their_words(
    channel: grpc.aio.Channel, gateway: FakeGateway, request_: Message, status: str, text: str
) -> None:
    assert await refusal(channel, "Predict", request_) == (status, text)
    assert gateway.asked == []


async def test_a_claimed_size_is_not_allocated(channel: grpc.aio.Channel) -> None:
    shape = tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=2**30)])
    huge = tf.TensorProto(dtype=1, tensor_shape=shape, float_val=[1])
    status, text = await refusal(channel, "Predict", pb.PredictRequest(model_spec=SPEC, inputs={"x": huge}))
    assert (status, text) == ("RESOURCE_EXHAUSTED", "the inputs are larger than 4096 bytes")


async def test_errors_of_the_gateway_have_their_status(
    channel: grpc.aio.Channel, gateway: FakeGateway
) -> None:
    spec = pb.ModelSpec(name="fake")
    spec.version.value = 9
    request = pb.PredictRequest(model_spec=spec, inputs={"x": X})
    gateway.fail = NotFound("-", field="version")
    told = await refusal(channel, "Predict", request)
    assert told == ("NOT_FOUND", "Servable not found for request: Specific(fake, 9)")
    gateway.fail = Overloaded("full")
    assert await refusal(channel, "Predict", request) == ("RESOURCE_EXHAUSTED", "full")


async def test_classify_gives_every_label_its_score(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.outputs = {"p": np.array([[0.1, 0.75]], np.float32)}
    reply = await ask(channel, "Classify", pb.ClassificationRequest(model_spec=SPEC, input=INPUT))
    (row,) = reply.result.classifications
    assert [(each.label, each.score) for each in row.classes] == [("no", np.float32(0.1)), ("yes", 0.75)]
    assert reply.model_spec.version.value == 3
    assert gateway.asked[0][1].inputs["x"].tolist() == [[1.5, 1.5]]


async def test_multi_inference_answers_each_task(channel: grpc.aio.Channel, gateway: FakeGateway) -> None:
    gateway.outputs = {"p": np.array([[0.25, 0.75]], np.float32)}
    task = pb.InferenceTask(model_spec=SPEC, method_name=CLASSIFY)
    reply = await ask(channel, "MultiInference", pb.MultiInferenceRequest(tasks=[task], input=INPUT))
    (result,) = reply.results
    assert result.model_spec.signature_name == "serving_default"
    assert [each.score for each in result.classification_result.classifications[0].classes] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("tasks", "status", "text"),
    [
        ([], "INVALID_ARGUMENT", "Inference request has no tasks"),
        ([pb.InferenceTask()], "INVALID_ARGUMENT", "Found ModelSpec with an empty model name."),
        ([pb.InferenceTask(model_spec=SPEC, method_name=CLASSIFY), pb.InferenceTask(model_spec=pb.ModelSpec(name="b"))], "INVALID_ARGUMENT", "All ModelSpecs in a MultiInferenceRequest must access the same model name."),
        ([pb.InferenceTask(model_spec=SPEC, method_name=CLASSIFY)] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature: serving_default"),
        ([pb.InferenceTask(model_spec=SPEC, method_name="x")], "UNIMPLEMENTED", "Unsupported signature method_name: x"),
    ],
)  # fmt: skip
async def test_tasks_that_do_not_go_together_are_refused(
    channel: grpc.aio.Channel, tasks: list[Any], status: str, text: str
) -> None:
    assert await refusal(channel, "MultiInference", pb.MultiInferenceRequest(tasks=tasks, input=INPUT)) == (
        status,
        text,
    )


async def test_regress_is_refused_for_a_classifier(channel: grpc.aio.Channel) -> None:
    status, text = await refusal(channel, "Regress", pb.RegressionRequest(model_spec=SPEC, input=INPUT))
    assert status == "INVALID_ARGUMENT"
    assert text.endswith("to be tensorflow/serving/regress. Was: tensorflow/serving/classify")


async def test_metadata_and_status_are_told(channel: grpc.aio.Channel) -> None:
    request = pb.GetModelMetadataRequest(model_spec=SPEC, metadata_field=["signature_def"])
    assert "signature_def" in (await ask(channel, "GetModelMetadata", request)).metadata
    status = await ask(channel, "GetModelStatus", pb.GetModelStatusRequest(model_spec=SPEC))
    assert [each.version for each in status.model_version_status] == [4, 3]
    none = pb.ModelSpec(name="none")
    assert await refusal(channel, "GetModelStatus", pb.GetModelStatusRequest(model_spec=none)) == (
        "NOT_FOUND", "Could not find any versions of model none",
    )  # fmt: skip
    request = pb.GetModelMetadataRequest(model_spec=none, metadata_field=["signature_def"])
    assert (await refusal(channel, "GetModelMetadata", request))[0] == "NOT_FOUND"


@pytest.mark.parametrize("method", sorted(ANSWERS))
async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel, method: str) -> None:
    assert (await refusal(channel, method, b"\xff\xff\xff"))[0] == "INVALID_ARGUMENT"

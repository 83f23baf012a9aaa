"""Sound messages made unsound, for the real process: over gRPC as protobuf, over REST as JSON.

Whatever comes, it is the request's fault or it is answered; nothing hangs, and the process stays as it was.
"""

import json
import os
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb import tasks_pb2 as tasks
from pb import tensorflow_pb2 as tf
from pb import tfserving_pb2 as tfs
from tests.e2e.conftest import ANSWER_S, Server
from tests.support import sound_requests as sound
from tests.support.live_server import unharmed
from tests.support.mutations import mutated

pytestmark = pytest.mark.slow

BOUNDS = settings(
    max_examples=100,
    deadline=None,  # each call has its own
    derandomize="CI" in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NO_FAULT_OF_OURS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
DOCUMENTED = {501, 503, 504}


def answer(server: Server) -> object:
    """What every wire must still say in the end."""
    body = {"instances": [[1, 2, 3, 4]]}
    completion = {"model": "letters", "prompt": "ab", "max_tokens": 5, "temperature": 0}
    return (
        server.http.post("/v1/models/multiply:predict", json=body).json(),
        server.http.post("/v1/completions", json=completion).json()["choices"],
        server.post("predict", {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}).json(),
    )


def spec(name: str) -> tfs.ModelSpec:
    return tfs.ModelSpec(name=name)


def tensor(**fields: Any) -> tf.TensorProto:
    shape = tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in (1, 4)])
    return tf.TensorProto(**{"dtype": tf.DT_FLOAT, "tensor_shape": shape, **fields})


def of_features(values: dict[str, Any]) -> tfs.Input:
    features = {
        name: tf.Feature(float_list=tf.FloatList(value=[value] if isinstance(value, int | float) else value))
        for name, value in values.items()
    }
    return tfs.Input(
        example_list=tfs.ExampleList(examples=[tf.Example(features=tf.Features(feature=features))])
    )


ROW = tensor(float_val=[1, 2, 3, 4])
PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
TASKS = "sluice.v1.Inference"
MESSAGES: dict[tuple[str, str], list[Any]] = {
    (PREDICTION, "Predict"): [
        tfs.PredictRequest(model_spec=spec("multiply"), inputs={"x": ROW}),
        tfs.PredictRequest(model_spec=spec("multiply"), inputs={"x": tensor(float_val=[7])}),
        tfs.PredictRequest(
            model_spec=spec("multiply"), inputs={"x": tensor(tensor_content=bytes(16))}, output_filter=["y"]
        ),
    ],
    (PREDICTION, "Classify"): [
        tfs.ClassificationRequest(model_spec=spec("rows"), input=of_features(sound.EXAMPLE))
    ],
    (PREDICTION, "Regress"): [tfs.RegressionRequest(model_spec=spec("boxes"), input=of_features(sound.BOX))],
    (PREDICTION, "MultiInference"): [
        tfs.MultiInferenceRequest(
            tasks=[tfs.InferenceTask(model_spec=spec("rows"), method_name="tensorflow/serving/classify")],
            input=of_features(sound.EXAMPLE),
        )
    ],
    (PREDICTION, "GetModelMetadata"): [
        tfs.GetModelMetadataRequest(model_spec=spec("multiply"), metadata_field=["signature_def"])
    ],
    (MODEL, "GetModelStatus"): [tfs.GetModelStatusRequest(model_spec=spec("multiply"))],
    (TASKS, "Predict"): [
        tasks.PredictRequest(
            model=tasks.ModelRef(name="multiply"),
            inputs={"x": tasks.Tensor(dtype="float32", shape=(1, 4), raw=bytes(16))},
        )
    ],
    (TASKS, "Classify"): [
        tasks.ClassifyRequest(model=tasks.ModelRef(name="rows"), features=tasks.Features(values=(1, 2, 3, 4)))
    ],
    (TASKS, "Translate"): [
        tasks.TranslateRequest(model=tasks.ModelRef(name="words"), texts=["the cat"], beams=2)
    ],
    (TASKS, "Score"): [
        tasks.ScoreRequest(model=tasks.ModelRef(name="boxes"), rows=[tasks.Features(by_name=sound.BOX)])
    ],
    (TASKS, "Generate"): [
        tasks.GenerateRequest(model=tasks.ModelRef(name="letters"), prompt="ab", max_tokens=3)
    ],
}
SIZES = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=5)
TENSORS = st.builds(
    lambda dtype, sizes, content, floats, texts: tf.TensorProto(
        dtype=dtype,
        tensor_shape=tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in sizes]),
        tensor_content=content,
        float_val=floats,
        string_val=texts,
    ),
    st.integers(0, 140),
    SIZES,
    st.just(b"") | st.binary(max_size=32),
    st.lists(st.floats(width=32), max_size=5),
    st.lists(st.binary(max_size=4), max_size=3),
)


def status_of(server: Server, service: str, method: str, message: bytes) -> grpc.StatusCode:
    try:
        server.channel.unary_unary(f"/{service}/{method}")(message, timeout=ANSWER_S)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


@pytest.mark.parametrize(("service", "method"), MESSAGES)
def test_mutated_messages_are_answered_or_refused(fuzzed: Server, service: str, method: str) -> None:
    seeds = [message.SerializeToString() for message in MESSAGES[service, method]]
    for seed in seeds:
        assert status_of(fuzzed, service, method, seed) is grpc.StatusCode.OK

    @given(message=mutated(seeds))
    @BOUNDS
    def ask(message: bytes) -> None:
        found = status_of(fuzzed, service, method, message)
        assert found is grpc.StatusCode.OK or found in NO_FAULT_OF_OURS, found

    with unharmed(fuzzed.process.pid, lambda: answer(fuzzed)):
        ask()


def test_tensors_of_any_dtype_and_shape_are_answered_or_refused(fuzzed: Server) -> None:
    @given(tensor=TENSORS, model=st.sampled_from(sound.SERVED), name=st.sampled_from(["x", "image", "ids"]))
    @BOUNDS
    def ask(tensor: tf.TensorProto, model: str, name: str) -> None:
        message = tfs.PredictRequest(model_spec=spec(model), inputs={name: tensor}).SerializeToString()
        found = status_of(fuzzed, PREDICTION, "Predict", message)
        assert found is grpc.StatusCode.OK or found in NO_FAULT_OF_OURS, found

    with unharmed(fuzzed.process.pid, lambda: answer(fuzzed)):
        ask()


BODIES = [
    (path.format(**request.get("path_parameters", {})), json.dumps(request["body"]).encode())
    for wire in (sound.TFSERVING, sound.OPENAI)
    for (method, path), request in wire.items()
    if method == "POST" and "versions" not in path and "labels" not in path
]


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_mutated_bodies_are_answered_or_refused(fuzzed: Server, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert fuzzed.http.post(path, content=body, headers=headers).status_code == 200

    @given(body=mutated([body]))
    @BOUNDS
    def ask(body: bytes) -> None:
        found = fuzzed.http.post(path, content=body, headers=headers, timeout=ANSWER_S)
        assert found.status_code < 500 or found.status_code in DOCUMENTED, found.text

    with unharmed(fuzzed.process.pid, lambda: answer(fuzzed)):
        ask()


PARTS = st.sampled_from(
    ["models", "multiply", "versions", "labels", "stable", "1", "metadata", "", "99999999999999999999"]
)
STEPS = st.lists(PARTS | st.text(max_size=6).map(lambda text: quote(text, safe="")), max_size=6)
ENDS = st.sampled_from(["", ":predict", ":classify", ":regress", ":", ":predict:predict", "/"])


def test_addresses_that_nobody_knows_are_refused(fuzzed: Server) -> None:
    @given(steps=STEPS, end=ENDS, method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]))
    @BOUNDS
    def ask(steps: list[str], end: str, method: str) -> None:
        path = "/".join(("/v1", *steps)) + end
        found = fuzzed.http.request(method, path, content=b"{}", timeout=ANSWER_S)
        assert found.status_code < 500 or found.status_code in DOCUMENTED, found.text

    with unharmed(fuzzed.process.pid, lambda: answer(fuzzed)):
        ask()

"""Drives a gateway with TensorFlow Serving's own client, and with plain HTTP for its REST API.

Run by the clients' own environment: `python tfserving.py HTTP_PORT GRPC_PORT`, over the bundles of
`tests/e2e/test_tfserving.py`. Exits with 0 if everything is as it must be.
"""

import base64
import gzip
import json
import sys

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

HTTP, GRPC = sys.argv[1:]
URL = f"http://127.0.0.1:{HTTP}/v1/models"
CHANNEL = grpc.insecure_channel(f"127.0.0.1:{GRPC}")
PREDICTION = prediction_service_pb2_grpc.PredictionServiceStub(CHANNEL)
MODELS = model_service_pb2_grpc.ModelServiceStub(CHANNEL)
ROWS = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


def request_of(name, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(value if isinstance(value, TensorProto) else tf.make_tensor_proto(value))
    return request


def refused(method, request):
    try:
        method(request, timeout=10)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("it was answered")


def post(path, body, status=200):
    response = requests.post(f"{URL}/{path}", data=body if isinstance(body, str) else None,
                             json=None if isinstance(body, str) else body, timeout=10)  # fmt: skip
    assert response.status_code == status, response.text
    return response.json() if status == 200 else response.json()["error"]


def check_predict():
    reply = PREDICTION.Predict(request_of("multiply", x=ROWS), timeout=10)
    assert tf.make_ndarray(reply.outputs["y"]).tobytes() == (ROWS * np.float32(2)).tobytes()
    assert list(reply.outputs["y"].float_val)[:4] == (ROWS[0] * 2).tolist()
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("multiply", 1)
    assert reply.model_spec.signature_name == "serving_default"
    special = np.array([[np.nan, np.inf, -np.inf, -0.0]], np.float32)
    reply = PREDICTION.Predict(request_of("multiply", x=special), timeout=10)
    assert tf.make_ndarray(reply.outputs["y"]).tobytes() == (special * np.float32(2)).tobytes()
    filled = tf.make_tensor_proto(1.5, shape=[3, 4])
    assert len(filled.float_val) == 1
    reply = PREDICTION.Predict(request_of("multiply", x=filled), timeout=10)
    assert tf.make_ndarray(reply.outputs["y"]).tolist() == [[3.0] * 4] * 3
    by_version = request_of("multiply", x=ROWS)
    by_version.model_spec.version.value = 1
    by_version.output_filter.append("y")
    assert list(PREDICTION.Predict(by_version, timeout=10).outputs) == ["y"]


def check_every_dtype():
    count, flag = np.array([[1, -2]], np.int64), np.array([[True, False]])
    half = np.array([[0.5, 0.1]], np.float16)
    for given in (
        {"count": count, "flag": flag, "half": half},
        {"count": tf.make_tensor_proto([[1, -2]], tf.int64), "flag": flag,
         "half": TensorProto(dtype=19, tensor_shape=tf.TensorShape([1, 2]).as_proto(),
                                          tensor_content=half.tobytes())},
    ):  # fmt: skip
        outputs = PREDICTION.Predict(request_of("mixed", **given), timeout=10).outputs
        assert tf.make_ndarray(outputs["doubled"]).tolist() == [[2, -4]]
        assert tf.make_ndarray(outputs["inverted"]).tolist() == [[False, True]]
        assert tf.make_ndarray(outputs["halves"]).tobytes() == (half + half).tobytes()
    echo = request_of("mixed", words=np.array(["a", "\u00fc"], object))
    echo.model_spec.signature_name = "echo"
    reply = PREDICTION.Predict(echo, timeout=10)
    assert tf.make_ndarray(reply.outputs["same"]).tolist() == [b"a", "\u00fc".encode()]
    assert reply.model_spec.signature_name == "echo"
    rest = {"count": [1, -2], "flag": [True, False], "half": [0.5, 0.1]}
    (row,) = post("mixed:predict", {"instances": [rest]})["predictions"]
    assert (row["doubled"], row["inverted"]) == ([2, -4], [False, True])
    assert np.array(row["halves"], np.float16).tobytes() == (half + half).tobytes()


def check_refusals():
    def predict(request):
        return refused(PREDICTION.Predict, request)

    assert predict(request_of("none", x=ROWS)) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(none)",
    )
    missing = request_of("multiply", x=ROWS)
    missing.model_spec.version.value = 9
    assert predict(missing) == ("NOT_FOUND", "Servable not found for request: Specific(multiply, 9)")
    labelled = request_of("multiply", x=ROWS)
    labelled.model_spec.version_label = "new"
    assert predict(labelled) == ("INVALID_ARGUMENT", "Unrecognized servable version label: new")
    assert predict(request_of("multiply"))[0] == "INVALID_ARGUMENT"
    assert predict(request_of("multiply", x=ROWS[:, :3]))[0] == "INVALID_ARGUMENT"
    assert predict(request_of("multiply", x=ROWS.astype(np.float64)))[0] == "INVALID_ARGUMENT"
    code, text = refused(MODELS.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())
    assert (code, "switched off" in text) == ("PERMISSION_DENIED", True)
    assert post("none:predict", {}, 404) == "Servable not found for request: Latest(none)"
    assert post("multiply:explain", {}, 400) == "Malformed request: POST /v1/models/multiply:explain"
    assert post("multiply:predict", {"instances": [[1, "a"]]}, 400).endswith("is not of expected type: float")


def check_rest():
    answer = post("multiply:predict", {"instances": ROWS.tolist()})
    assert np.array(answer["predictions"], np.float32).tobytes() == (ROWS * np.float32(2)).tobytes()
    answer = post("multiply/versions/1:predict", {"inputs": {"x": ROWS.tolist()}})
    assert np.array(answer["outputs"], np.float32).tobytes() == (ROWS * np.float32(2)).tobytes()
    answer = post("multiply:predict", '{"instances": [[NaN, Infinity, -Infinity, 0.0]]}')
    assert np.isnan(answer["predictions"][0][0])
    assert answer["predictions"][0][1:] == [np.inf, -np.inf, 0.0]
    status = requests.get(f"{URL}/multiply", timeout=10).json()["model_version_status"]
    assert [(each["version"], each["state"]) for each in status] == [("1", "AVAILABLE")]
    assert requests.get(f"{URL}/multiply/versions/1", timeout=10).json() == {"model_version_status": status}
    metadata = requests.get(f"{URL}/multiply/metadata", timeout=10).json()
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["tensor_shape"]["dim"][1]["size"] == "4"


def example_of(**features):
    lists = {
        name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        for name, value in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=lists))


def check_examples():
    row = {"first": 0.25, "second": 1.5, "third": -1.0, "fourth": 0.0}
    probabilities = requests.post(
        f"{URL}/rows:predict", json={"instances": [list(row.values())]}, timeout=10
    ).json()["predictions"][0]  # fmt: skip
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "rows"
    request.input.example_list.examples.append(example_of(**row))
    classes = PREDICTION.Classify(request, timeout=10).result.classifications[0].classes
    assert [each.label for each in classes] == ["first", "second", "third"]
    assert [np.float32(each.score) for each in classes] == [np.float32(each) for each in probabilities]
    (result,) = post("rows:classify", {"examples": [row]})["results"]
    assert result == [[each.label, score] for each, score in zip(classes, probabilities, strict=True)]
    box = {"length": 9.0, "width": 2.0, "height": 3.0}
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "boxes"
    request.input.example_list_with_context.examples.append(example_of(length=9.0))
    request.input.example_list_with_context.context.CopyFrom(example_of(width=2.0, height=3.0))
    (regression,) = PREDICTION.Regress(request, timeout=10).result.regressions
    assert np.float32(regression.value) == np.float32(
        post("boxes:regress", {"examples": [box]})["results"][0]
    )
    both = inference_pb2.MultiInferenceRequest()
    both.tasks.add(method_name="tensorflow/serving/regress").model_spec.name = "boxes"
    both.input.example_list.examples.append(example_of(**box))
    (result,) = PREDICTION.MultiInference(both, timeout=10).results
    assert result.regression_result.regressions[0].value == regression.value
    request.model_spec.name = "rows"
    code, text = refused(PREDICTION.Regress, request)
    assert (code, text[:37]) == ("INVALID_ARGUMENT", "Expected regression signature method_")


def check_pictures():
    half = np.zeros((4, 4, 1), np.uint8)
    half[:, :2] = 255
    picture = tf.io.encode_png(half).numpy()
    pixels = (half / np.float32(255)).tolist()
    (probabilities,) = post("shapes:predict", {"instances": [pixels]})["predictions"]
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "shapes"
    for _ in range(2):
        example = request.input.example_list.examples.add()
        example.features.feature["image/encoded"].bytes_list.value.append(picture)
    first, second = PREDICTION.Classify(request, timeout=10).result.classifications
    assert [np.float32(each.score) for each in first.classes] == [np.float32(each) for each in probabilities]
    assert first == second
    encoded = base64.b64encode(picture).decode()
    (result,) = post("shapes:classify", {"examples": [{"image/encoded": {"b64": encoded}}]})["results"]
    assert result == [[each.label, score] for each, score in zip(first.classes, probabilities, strict=True)]
    request.input.example_list.examples[1].features.feature["image/encoded"].bytes_list.value[0] = (
        b"no picture"
    )
    code, text = refused(PREDICTION.Classify, request)
    assert (code, "expected a PNG or JPEG image" in text) == ("INVALID_ARGUMENT", True)


def check_compression():
    body = gzip.compress(json.dumps({"instances": ROWS.tolist() * 100}).encode())
    answer = requests.post(
        f"{URL}/multiply:predict", data=body, headers={"content-encoding": "gzip"}, timeout=10
    )
    assert answer.headers["content-encoding"] == "gzip"
    assert (
        np.array(answer.json()["predictions"], np.float32).tobytes() == (ROWS * np.float32(2)).tobytes() * 100
    )
    answer = requests.post(
        f"{URL}/multiply:predict", data=body, headers={"content-encoding": "br"}, timeout=10
    )
    assert (answer.status_code, list(answer.json())) == (415, ["error"])


def check_models():
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "multiply"
    (status,) = MODELS.GetModelStatus(request, timeout=10).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, AVAILABLE, 0)
    request.model_spec.name = "none"
    assert refused(MODELS.GetModelStatus, request) == (
        "NOT_FOUND",
        "Could not find any versions of model none",
    )
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "mixed"
    reply = PREDICTION.GetModelMetadata(request, timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "default", "echo"}
    half = signatures.signature_def["serving_default"].inputs["half"]
    assert (tf.as_dtype(half.dtype), tf.TensorShape(half.tensor_shape).as_list()) == (tf.float16, [None, 2])


for check in (
    check_predict,
    check_every_dtype,
    check_refusals,
    check_rest,
    check_examples,
    check_pictures,
    check_compression,
    check_models,
):
    check()

"""Drives a gateway that was started with TensorFlow Serving's command line, and changes its configuration.

Run by the clients' own environment: `python tfserving_reload.py HTTP_PORT GRPC_PORT FIRST SECOND KEY`, with two
directories of models and the key of admin calls, over the bundles of `tests/e2e/test_tfserving_command_line.py`. Exits
with 0 if everything is as it must be.
"""

import sys

import grpc
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

HTTP, GRPC, FIRST, SECOND, KEY = sys.argv[1:]
URL = f"http://127.0.0.1:{HTTP}/v1/models"
OPTIONS = [("grpc.max_send_message_length", -1)]
CHANNEL = grpc.insecure_channel(f"127.0.0.1:{GRPC}", options=OPTIONS)
PREDICTION = prediction_service_pb2_grpc.PredictionServiceStub(CHANNEL)
MODELS = model_service_pb2_grpc.ModelServiceStub(CHANNEL)
BEARER = (("authorization", f"Bearer {KEY}"),)
AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


def predict_request(name, rows=1, label=None, version=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    if label is not None:
        request.model_spec.version_label = label
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0, 3.0, 4.0]] * rows))
    return request


def factor(name, **which):
    reply = PREDICTION.Predict(predict_request(name, **which), timeout=10)
    return tf.make_ndarray(reply.outputs["y"])[0, 0]


def refused(method, request, **more):
    try:
        method(request, **{"timeout": 10, **more})
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("it was answered")


def config_of(*models):
    request = model_management_pb2.ReloadConfigRequest()
    for name, base_path, versions, labels in models:
        model = request.config.model_config_list.config.add(
            name=name, base_path=base_path, model_platform="tensorflow", version_labels=labels
        )
        if versions:
            model.model_version_policy.specific.versions.extend(versions)
    return request


def reload(*models):
    response = MODELS.HandleReloadConfigRequest(config_of(*models), timeout=30, metadata=BEARER)
    assert (response.status.error_code, response.status.error_message) == (0, "")


def versions_of(name):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    found = MODELS.GetModelStatus(request, timeout=10).model_version_status
    return sorted(each.version for each in found if each.state == AVAILABLE)


def check_start():
    assert (factor("doubles"), factor("doubles", version=1)) == (3, 2)
    assert (factor("doubles", label="stable"), factor("doubles", label="canary")) == (2, 3)
    assert factor("tens") == 10
    assert requests.post(
        f"{URL}/doubles/labels/stable:predict", json={"instances": [[1, 0, 0, 0]]}, timeout=10
    ).json() == {"predictions": [[2, 0, 0, 0]]}
    text = requests.get(f"http://127.0.0.1:{HTTP}/monitoring/prometheus/metrics", timeout=10).text
    assert 'sluice_model_state{model="tens",state="available",version="7"} 1.0' in text


def check_declared_examples():
    example = tf.train.Example()
    example.features.feature["all"].float_list.value.extend([0.0, 4.0, 0.0, 1.0])
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "rows"
    request.input.example_list.examples.append(example)
    classes = PREDICTION.Classify(request, timeout=10).result.classifications[0].classes
    assert max(classes, key=lambda each: each.score).label == "second"
    example.features.feature["all"].float_list.value.append(1.0)
    request.input.example_list.examples[0].CopyFrom(example)
    code, text = refused(PREDICTION.Classify, request)
    assert (code, "values size: 5 but output shape: [4]" in text) == ("INVALID_ARGUMENT", True)


def check_every_class_of_error():
    assert refused(PREDICTION.Predict, predict_request("none"))[0] == "NOT_FOUND"
    assert refused(PREDICTION.Predict, predict_request("doubles", label="new"))[0] == "INVALID_ARGUMENT"
    assert refused(PREDICTION.Predict, predict_request("broken"))[0] == "UNAVAILABLE"
    assert refused(PREDICTION.Predict, predict_request("tens"), timeout=-1)[0] == "DEADLINE_EXCEEDED"
    assert refused(PREDICTION.Predict, predict_request("tens", rows=100_000))[0] == "RESOURCE_EXHAUSTED"
    both = inference_pb2.MultiInferenceRequest()
    both.tasks.add(method_name="tensorflow/serving/explain").model_spec.name = "rows"
    assert refused(PREDICTION.MultiInference, both)[0] == "UNIMPLEMENTED"
    request = config_of(("tens", f"{SECOND}/tens", [], {}))
    assert refused(MODELS.HandleReloadConfigRequest, request)[0] == "UNAUTHENTICATED"
    wrong = (("authorization", "Bearer 0123456789abcdef"),)
    assert refused(MODELS.HandleReloadConfigRequest, request, metadata=wrong)[0] == "UNAUTHENTICATED"


def check_reload():
    labels = {"stable": 1, "canary": 2}
    reload(("renamed", f"{FIRST}/multiply", [1, 2], labels), ("rows", f"{SECOND}/rows", [], {}))
    assert (factor("renamed", label="stable"), factor("renamed", label="canary")) == (2, 3)
    assert refused(PREDICTION.Predict, predict_request("tens"))[0] in {"NOT_FOUND", "UNAVAILABLE"}
    reload(("renamed", f"{FIRST}/multiply", [2], {"stable": 2}))
    assert (versions_of("renamed"), factor("renamed", label="stable")) == ([2], 3)

    def refused_reload(*models):
        return refused(MODELS.HandleReloadConfigRequest, config_of(*models), metadata=BEARER)

    code, text = refused_reload(("renamed", f"{FIRST}/multiply", [2], {"stable": 9}))
    assert (code, text.startswith("Request to assign label to version 9 of model renamed, which is not")) == (
        "INVALID_ARGUMENT",
        True,
    )
    assert factor("renamed", label="stable") == 3
    assert refused_reload(("etc", "/etc", [], {}))[0] == "INVALID_ARGUMENT"
    assert refused_reload(("x", "relative", [], {}))[0] == "INVALID_ARGUMENT"
    twice = ("renamed", f"{FIRST}/multiply", [], {})
    assert refused_reload(twice, twice) == (
        "INVALID_ARGUMENT",
        "Illegal to list model renamed multiple times in config list",
    )
    code, text = refused_reload(twice, ("broken", f"{SECOND}/broken", [], {}))
    assert (code, text.startswith("1 model(s) did not become available: {{broken: ")) == ("UNAVAILABLE", True)
    assert factor("renamed") == 3
    none = model_management_pb2.ReloadConfigRequest(config=model_server_config_pb2.ModelServerConfig())
    code, text = refused(MODELS.HandleReloadConfigRequest, none, metadata=BEARER)
    assert (code, "Only ModelConfigList is currently supported" in text) == ("INVALID_ARGUMENT", True)


for check in (check_start, check_declared_examples, check_every_class_of_error, check_reload):
    check()

"""The application on a real cluster: it answers as the plain gateway does, grows with its queue, and outlives a node."""

import json
import re
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import grpc
import httpx
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pb import oip_pb2, tasks_pb2, tfserving_pb2
from pb.oip_pb2_grpc import GRPCInferenceServiceStub
from pb.tasks_pb2_grpc import InferenceStub
from pb.tfserving_pb2_grpc import PredictionServiceStub
from tests.e2e.conftest import Server
from tests.ray.conftest import RayCluster
from tests.support import bundles, sound_requests

pytestmark = pytest.mark.ray

OPERATIONS = {each: it for wire in sound_requests.WIRES.values() for each, it in wire.items()}
COUNTED = re.compile("stats$")
"""Counters, which differ with what each server has done so far."""
PASSING = re.compile(rb'"(id|created|request_id)":("[^"]*"|[0-9]+)')
"""What is another with each answer."""
CALLERS = 8
PREDICT = {"model": "multiply", "inputs": {"x": [[1, 2, 3, 4]]}}
HEADERS = {"content-type": "application/json"}


def sure(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body to which there is one answer only: a text is not left to chance."""
    return {**body, "temperature": 0} if "max_tokens" in body else body


def answer(http: httpx.Client, operation: tuple[str, str], request: dict[str, Any]) -> tuple[int, str, bytes]:
    method, path = operation
    told = http.request(
        method,
        path.format(**request.get("path_parameters", {})),
        headers=HEADERS,
        content=json.dumps(sure(request["body"])).encode() if "body" in request else None,
    )
    return told.status_code, told.headers.get("content-type", ""), PASSING.sub(b"", told.content)


def test_every_rest_operation_answers_as_the_plain_gateway_does(cluster: RayCluster, plain: Server) -> None:
    cluster.wait_for(lambda state: state["proxies"] == 2 and cluster.http.get("/v2/health/ready").is_success)
    differing = [
        (operation, here, there)
        for operation, request in OPERATIONS.items()
        if not COUNTED.search(operation[1])
        and (here := answer(cluster.http, operation, request))
        != (there := answer(plain.http, operation, request))
    ]
    assert differing == []
    assert len(OPERATIONS) > 60


def test_errors_and_headers_are_those_of_the_plain_gateway(cluster: RayCluster, plain: Server) -> None:
    for path, body in (
        ("/v1/predict", {"model": "nothing", "inputs": {}}),
        ("/v1/predict", {"model": "multiply", "inputs": {"x": [[1]]}}),
        ("/v1/score", {"rows": [[1]]}),
        ("/v1/generate", {"model": "shapes", "prompt": "a"}),
        ("/v1/completions", {"model": "letters", "prompt": "ab", "max_tokens": -1}),
        ("/v2/models/multiply/infer", {"inputs": []}),
    ):
        operation = ("POST", path)
        here = answer(cluster.http, operation, {"body": body})
        assert here == answer(plain.http, operation, {"body": body})
        assert here[0] in {400, 404, 422, 501}
    named = cluster.http.post("/v1/predict", json=PREDICT, headers={"x-request-id": "mine"})
    assert named.headers.get_list("x-request-id") == ["mine"]
    assert named.headers["x-sluice-batch-rows"] == "1"


def rpcs(channel: grpc.Channel) -> list[Any]:
    """Return what every gRPC service answers, failures included."""
    tasks, oip = InferenceStub(channel), GRPCInferenceServiceStub(channel)
    tfserving, health = PredictionServiceStub(channel), health_pb2_grpc.HealthStub(channel)
    letters, unknown = tasks_pb2.ModelRef(name="letters"), tasks_pb2.ModelRef(name="nothing")
    prompt = tasks_pb2.GenerateRequest(model=letters, prompt="ab", max_tokens=9, temperature=0)
    lost = tasks_pb2.GenerateRequest(model=unknown, prompt="ab")
    infer = oip_pb2.ModelInferRequest(model_name="multiply", id="7")
    x = infer.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    x.contents.fp32_contents.extend([1, 2, 3, 4])
    predict = tfserving_pb2.PredictRequest()
    predict.model_spec.name = "multiply"
    predict.inputs["x"].dtype = 1
    predict.inputs["x"].float_val.extend([1, 2, 3, 4])
    for size in (1, 4):
        predict.inputs["x"].tensor_shape.dim.add(size=size)
    wrong = oip_pb2.ModelInferRequest(model_name="multiply")
    calls: list[Callable[[], Any]] = [
        lambda: tasks.Score(
            tasks_pb2.ScoreRequest(rows=[tasks_pb2.Features(values=[9, 2, 3])], top_features=2)
        ),
        lambda: tasks.Generate(prompt),
        lambda: list(tasks.GenerateStream(prompt)),
        lambda: tasks.Generate(lost),
        lambda: list(tasks.GenerateStream(lost)),
        lambda: oip.ModelInfer(infer),
        lambda: list(oip.ModelStreamInfer(iter([infer, wrong, infer]))),
        lambda: oip.ModelInfer(wrong),
        lambda: oip.ServerReady(oip_pb2.ServerReadyRequest()),
        lambda: tfserving.Predict(predict),
        lambda: health.Check(health_pb2.HealthCheckRequest(service="letters")),
        lambda: health.Check(health_pb2.HealthCheckRequest(service="nothing")),
    ]
    return [told(call) for call in calls]


def told(call: Callable[[], Any]) -> Any:
    try:
        answer = call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return [spoken(each) for each in answer] if isinstance(answer, list) else spoken(answer)


def spoken(message: Any) -> Any:
    document = json_format.MessageToDict(message)
    document.pop("timing", None)
    return document


def test_every_grpc_service_answers_as_the_plain_gateway_does(cluster: RayCluster, plain: Server) -> None:
    here, there = rpcs(cluster.channel), rpcs(plain.channel)
    assert here == there
    assert {each[0] for each in here if isinstance(each, tuple)} == {
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
    }


def test_a_failed_rpc_names_its_field_and_reflection_lists_the_services(cluster: RayCluster) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        InferenceStub(cluster.channel).Generate(
            tasks_pb2.GenerateRequest(model=tasks_pb2.ModelRef(name="nothing"))
        )
    assert ("sluice-error-field", "model") in [tuple(each) for each in failed.value.trailing_metadata()]
    stub = reflection_pb2_grpc.ServerReflectionStub(cluster.channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    (listed,) = stub.ServerReflectionInfo(iter([question]))
    names = {each.name for each in listed.list_services_response.service}
    assert {"sluice.v1.Inference", "inference.GRPCInferenceService"} <= names


class Load:
    """Callers who ask one after the other, over REST and gRPC in turn, until told to stop; nobody tries again."""

    def __init__(self, ask: list[Callable[[], Any]]) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: list[Any] = []
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._call, args=(ask[number % len(ask)],)) for number in range(CALLERS)
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def _call(self, ask: Callable[[], Any]) -> None:
        pause = threading.Event()
        while not self._stop.is_set():
            try:
                found = ask()
            except (httpx.HTTPError, grpc.RpcError) as error:
                with self._lock:
                    self.failures.append(repr(error))
                pause.wait(0.05)
            else:
                with self._lock:
                    self.answers.append(found)

    def more(self, count: int) -> None:
        """Return when so many more have been answered."""
        pause, goal = threading.Event(), len(self.answers) + count
        for _ in range(600):
            if len(self.answers) >= goal:
                return
            pause.wait(0.05)
        raise AssertionError(f"not {count} answers in 30 s; {self.failures[-3:]}")


def predictions(cluster: RayCluster, closing: ExitStack) -> list[Callable[[], Any]]:
    """Return how to ask for a prediction over REST and over gRPC: `y`'s first number."""
    http = closing.enter_context(httpx.Client(base_url=cluster.http.base_url, timeout=20))
    channel = closing.enter_context(
        # Every channel has a connection of its own, which may end at either node.
        grpc.insecure_channel(f"127.0.0.1:{cluster.rpc_port}", [("grpc.use_local_subchannel_pool", 1)])
    )
    infer = oip_pb2.ModelInferRequest(model_name="multiply")
    x = infer.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    x.contents.fp32_contents.extend([1, 2, 3, 4])
    stub = GRPCInferenceServiceStub(channel)

    def rest() -> float:
        response = http.post("/v1/predict", json=PREDICT)
        response.raise_for_status()
        found: float = response.json()["outputs"]["y"][0][0]
        return found

    def rpc() -> float:
        answer = stub.ModelInfer(infer, timeout=20)
        found: float = struct.unpack("<4f", answer.raw_output_contents[0])[0]
        return found

    return [rest, rpc]


def test_more_replicas_come_when_more_is_queued(cluster: RayCluster) -> None:
    assert cluster.tell("status")["replicas"]["model-letters"] == 1
    body = {"model": "letters", "prompt": "ab", "max_tokens": 64, "temperature": 0}

    def ask() -> str:
        response = cluster.http.post("/v1/generate", json=body)
        response.raise_for_status()
        text: str = response.json()["text"]
        return text

    with Load([ask]) as load:
        cluster.wait_for(lambda state: state["replicas"]["model-letters"] == 3)
    assert load.failures == []
    assert len(set(load.answers)) == 1, "every replica gives the same text"


def test_a_new_version_goes_live_under_load_without_a_lost_request(cluster: RayCluster, models: Path) -> None:
    with ExitStack() as closing:
        with Load(predictions(cluster, closing)) as load:
            load.more(20)
            bundles.write_multiply(models, version=2, factor=3)
            while load.answers[-8:] != [3.0] * 8:
                load.more(20)
        assert load.failures == []
        assert set(load.answers) == {2.0, 3.0}


def test_a_node_dies_under_load_and_another_takes_its_place(cluster: RayCluster) -> None:
    whole = {"ingress": 2, "model-multiply": 2}
    cluster.wait_for(lambda state: whole.items() <= state["replicas"].items() and state["proxies"] == 2)
    with ExitStack() as closing:
        asks = [each for _ in range(CALLERS // 2) for each in predictions(cluster, closing)]
        with Load(asks) as load:
            load.more(100)
            cluster.tell("kill")
            load.more(100)
            cluster.tell("add")
            cluster.wait_for(
                lambda state: whole.items() <= state["replicas"].items() and state["proxies"] == 2
            )
            failed = len(load.failures)
            load.more(100)
    total = len(load.answers) + len(load.failures)
    print(f"node killed: {len(load.failures)} of {total} requests failed, {load.failures}")  # noqa: T201  # the measured share
    assert len(load.failures) <= CALLERS, "more than what was in flight was lost"
    assert len(load.failures) == failed, "it was over when the new node was there"

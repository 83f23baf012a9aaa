"""A request names the variant that is to answer, on every wire, over REST and gRPC; a setting chooses it for all."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service import bundle
from service.protocols.tasks import tensors
from tests.e2e.conftest import Server
from tests.support import bundles

HEADER = "x-sluice-variant"


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway with a model that doubles, whose variant triples, and which are both loaded."""
    models: Path = tmp_path_factory.mktemp("models")
    version = bundles.write_multiply(models)
    graph = bundles.write_multiply(tmp_path_factory.mktemp("other"), factor=3.0) / bundle.DEFAULT_GRAPH
    bundles.add_variant(version, "int8", graph, signature="multiply", tolerance=1.0)
    with Server(models, "--repository-offer-variants=true") as server:
        server.wait_until_available("multiply")
        yield server


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/predict", {"model": "multiply", "inputs": {"x": [[1, 1, 1, 1]]}}),
        ("/v1/models/multiply:predict", {"instances": [[1, 1, 1, 1]]}),
        ("/v2/models/multiply/infer",
         {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 1, 1, 1]}]}),
    ],
)  # fmt: skip
def test_the_header_chooses_on_every_wire(offering: Server, path: str, body: object) -> None:
    def said(variant: str) -> httpx.Response:
        return offering.http.post(path, json=body, headers={HEADER: variant} if variant else {})

    assert "2.0,2.0,2.0,2.0" in said("").text.replace(" ", "")
    assert "3.0,3.0,3.0,3.0" in said("int8").text.replace(" ", "")
    refused = said("fp16")
    assert refused.status_code == 404
    assert "no variant 'fp16' of 'multiply' is loaded; there is base, int8" in refused.text


def test_the_metadata_choose_over_grpc(offering: Server) -> None:
    stub = InferenceStub(offering.channel)
    request = pb.PredictRequest(model=pb.ModelRef(name="multiply"))
    request.inputs["x"].CopyFrom(tensors.encode(np.ones((1, 4), np.float32)))
    answer = stub.Predict(request, metadata=((HEADER, "int8"),))
    assert np.frombuffer(answer.outputs["y"].raw, np.float32).tolist() == [3.0] * 4
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(request, metadata=((HEADER, "fp16"),))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert (("sluice-error-field", HEADER)) in refused.value.trailing_metadata()

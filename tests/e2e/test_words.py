"""Every word over REST and gRPC against the real process: the same answer, and the one that the graph gives."""

import base64
import io
import json

import grpc
import numpy as np
import pytest
from PIL import Image

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from service.protocols.tasks import tensors
from tests.e2e.conftest import Server
from tests.support import bundles

PIXELS = np.array([[0, 0, 200, 250]] * 4, np.uint8)


def png() -> bytes:
    """Return an image that is bright on the right."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


def expected_probability() -> float:
    return float(bundles.classifier_probabilities(PIXELS[None, ..., None] / np.float32(255))[0, 2])


def test_classify_over_rest(server: Server) -> None:
    by_image = server.post("classify", {"image": base64.b64encode(png()).decode(), "top_k": 1}).json()
    assert by_image["model"] == {"name": "shapes", "version": 1}
    (label,) = by_image["labels"]
    assert label["label"] == "right"
    assert label["probability"] == pytest.approx(expected_probability(), abs=1e-5)
    by_pixels = server.post("classify", {"pixels": PIXELS.tolist()}).json()
    assert by_pixels["labels"][0]["label"] == "right"
    assert sum(each["probability"] for each in by_pixels["labels"]) == pytest.approx(1, abs=1e-5)


def test_classify_over_grpc(server: Server) -> None:
    stub = InferenceStub(server.channel)
    by_image = stub.Classify(pb.ClassifyRequest(image=png(), top_k=1))
    assert by_image.labels[0].label == "right"
    assert by_image.labels[0].probability == pytest.approx(expected_probability(), abs=1e-5)
    by_pixels = stub.Classify(pb.ClassifyRequest(pixels=tensors.encode(PIXELS)))
    assert by_pixels.labels[0].label == "right"


def test_generate_over_rest_and_grpc_at_once_and_streamed(server: Server) -> None:
    model, expected = "letters", bundles.generated("ab", 20)
    body = {"model": model, "prompt": "ab", "max_tokens": 20, "temperature": 0}
    whole = server.post("generate", body).json()
    assert whole["text"] == expected
    assert whole["usage"] == {"prompt_tokens": 2, "completion_tokens": 20}
    with server.http.stream("POST", "/v1/generate", json={**body, "stream": True}) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    assert "".join(chunk["text"] for chunk in chunks) == expected
    assert chunks[-1]["finish_reason"] == "length"

    stub = InferenceStub(server.channel)
    request = pb.GenerateRequest(model=pb.ModelRef(name=model), prompt="ab", max_tokens=20, temperature=0)
    assert stub.Generate(request).text == expected
    streamed = list(stub.GenerateStream(request))
    assert "".join(chunk.text for chunk in streamed) == expected
    assert streamed[-1].usage.completion_tokens == 20


def test_a_seed_gives_the_same_text_on_both_wires(server: Server) -> None:
    body = {"model": "letters", "prompt": "ab", "max_tokens": 30, "temperature": 2.0, "seed": 11}
    over_rest = {server.post("generate", body).json()["text"] for _ in range(3)}
    request = pb.GenerateRequest(
        model=pb.ModelRef(name="letters"), prompt="ab", max_tokens=30, temperature=2.0, seed=11
    )
    assert over_rest == {InferenceStub(server.channel).Generate(request).text}


def test_translate_over_rest_and_grpc(server: Server) -> None:
    texts = [" ".join(list(bundles.WORDS)[:3]), next(iter(bundles.WORDS))]
    expected = [bundles.translated(text) for text in texts]
    for beams in (1, 2):
        answer = server.post("translate", {"texts": texts, "beams": beams}).json()
        assert [each["text"] for each in answer["translations"]] == expected
        reply = InferenceStub(server.channel).Translate(pb.TranslateRequest(texts=texts, beams=beams))
        assert [each.text for each in reply.translations] == expected
    one = server.post("translate", {"text": texts[1]}).json()
    assert one["translations"][0]["text"] == expected[1]


def test_score_over_rest_and_grpc(server: Server) -> None:
    rows = np.array([[1, 2, 3], [9, 2, 3]], np.float32)
    expected = bundles.score_of(rows)
    answer = server.post("score", {"rows": rows.tolist()}).json()
    assert answer["threshold"] == bundles.THRESHOLD
    assert [row["score"] for row in answer["rows"]] == pytest.approx(expected.tolist(), rel=1e-5)
    assert [row["verdict"] for row in answer["rows"]] == ["normal", "anomaly"]
    assert answer["rows"][1]["contributions"][0]["feature"] == bundles.FEATURES[0]
    by_name = dict(zip(bundles.FEATURES, rows[1].tolist(), strict=True))
    assert server.post("score", {"rows": by_name}).json()["rows"] == answer["rows"][1:]
    request = pb.ScoreRequest(rows=[pb.Features(values=rows[0].tolist()), pb.Features(by_name=by_name)])
    reply = InferenceStub(server.channel).Score(request)
    assert [row.is_anomaly for row in reply.rows] == [False, True]


def test_predict_over_rest_and_grpc(server: Server) -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    answer = server.post("predict", {"model": "multiply", "inputs": {"x": x.tolist()}})
    assert answer.json()["outputs"] == {"y": (x * 2).tolist()}
    assert int(answer.headers["x-sluice-batch-rows"]) >= 2
    model = pb.ModelRef(name="multiply", version=1)
    request = pb.PredictRequest(model=model, inputs={"x": tensors.encode(x)}, outputs=["y"])
    reply = InferenceStub(server.channel).Predict(request)
    assert np.array_equal(tensors.decode(reply.outputs["y"], "y"), x * 2)


def test_models_are_told_on_both_wires(server: Server) -> None:
    listed = {each["id"]: each["word"] for each in server.http.get("/v1/models").json()["data"]}
    expected = {
        "boxes": "score",
        "endless": "generate",
        "letters": "generate",
        "multiply": "predict",
        "shapes": "classify",
        "words": "translate",
    }
    assert listed == expected
    stub = InferenceStub(server.channel)
    assert {each.name: each.word for each in stub.ListModels(pb.ListModelsRequest()).models} == expected
    detail = server.http.get("/v1/models/multiply").json()
    reply = stub.GetModel(pb.GetModelRequest(model=pb.ModelRef(name="multiply")))
    assert list(detail["signatures"]) == list(reply.signatures)


def test_with_several_models_for_a_word_the_name_is_needed(server: Server) -> None:
    response = server.post("generate", {"prompt": "a"})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "model"
    with pytest.raises(grpc.RpcError) as caught:
        InferenceStub(server.channel).Generate(pb.GenerateRequest(prompt="a"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT

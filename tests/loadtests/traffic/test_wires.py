"""Answers of every wire, as bytes, are read to the same parts; what is none is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from loadtests.traffic import row_wires, tensor_wires, text_wires
from loadtests.traffic.questions import BadAnswerError
from pb import oip_pb2, tasks_pb2, tensorflow_pb2, tfserving_pb2
from tests.loadtests.traffic.test_plan import model_of
from tests.support import bundles

Y = np.array([[1.5, -2.0, 0.25, 8.0]], np.float32)
BY_NAME = {wire.name: wire for wire in tensor_wires.WIRES}
TEXTS = {(word, wire.name): wire for word, wires in text_wires.WIRES.items() for wire in wires}


def message(kind: Any, **fields: Any) -> bytes:
    return bytes(kind(**fields).SerializeToString())


def tensorflow_reply() -> bytes:
    reply = tfserving_pb2.PredictResponse()
    tensor = reply.outputs["y"]
    tensor.dtype = tensorflow_pb2.DT_FLOAT
    for size in Y.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(Y.ravel().tolist())
    return bytes(reply.SerializeToString())


def oip_reply() -> bytes:
    reply = oip_pb2.ModelInferResponse(raw_output_contents=[Y.tobytes()])
    reply.outputs.add(name="y", datatype="FP32", shape=Y.shape)
    return bytes(reply.SerializeToString())


def oip_binary(more: bytes = b"") -> bytes:
    output = {"name": "y", "datatype": "FP32", "shape": Y.shape, "parameters": {"binary_data_size": Y.nbytes}}
    return orjson.dumps({"outputs": [output]}) + Y.tobytes() + more


ANSWERS = {
    "predict-rest": orjson.dumps({"outputs": {"y": Y.tolist()}}),
    "predict-grpc": message(
        tasks_pb2.PredictReply,
        outputs={"y": tasks_pb2.Tensor(dtype="float32", shape=Y.shape, raw=Y.tobytes())},
    ),
    "tfserving-rest": orjson.dumps({"outputs": Y.tolist()}),
    "tfserving-grpc": tensorflow_reply(),
    "oip-binary": oip_binary(),
    "oip-grpc": oip_reply(),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_tensors_of_every_wire_are_the_same(name: str, tmp_path: Path) -> None:
    model = model_of(bundles.write_multiply(tmp_path))
    answer = BY_NAME[name].decode(model, ANSWERS[name])
    assert answer.keys() == {"y"}
    assert np.array_equal(np.asarray(answer["y"]), Y)


def test_bytes_that_belong_to_no_output_are_no_answer(tmp_path: Path) -> None:
    with pytest.raises(BadAnswerError):
        BY_NAME["oip-binary"].decode(model_of(bundles.write_multiply(tmp_path)), oip_binary(b"\0"))


def test_strings_and_halves_go_only_over_wires_that_carry_them(tmp_path: Path) -> None:
    model = model_of(bundles.write_mixed(tmp_path))
    assert {name for name, wire in BY_NAME.items() if not wire.carries(model)} == {"tfserving-grpc"}


TEXT_ANSWERS = {
    ("generate", "tasks-rest"): b'{"text": "abc"}',
    ("generate", "tasks-rest-stream"): b'{"text": "abc"}',
    ("generate", "tasks-grpc"): message(tasks_pb2.GenerateReply, text="abc"),
    ("generate", "tasks-grpc-stream"): message(tasks_pb2.TextChunk, text="abc"),
    ("generate", "openai"): b'{"choices": [{"text": "abc"}]}',
    ("generate", "openai-stream"): b'{"choices": [{"text": "abc"}]}',
    ("generate", "oip-text"): b'{"text_output": "abc"}',
    ("generate", "oip-text-stream"): b'{"text_output": "abc"}',
    ("translate", "tasks-rest"): b'{"translations": [{"text": "abc"}]}',
    ("translate", "tasks-grpc"): message(
        tasks_pb2.TranslateReply, translations=[tasks_pb2.Translation(text="abc")]
    ),
}


@pytest.mark.parametrize("key", TEXTS)
def test_texts_of_every_wire_are_the_same(key: tuple[str, str]) -> None:
    assert TEXTS[key].decode(TEXT_ANSWERS[key]) == {"text": "abc"}


@pytest.mark.parametrize(
    "key", [key for key, wire in TEXTS.items() if wire.streamed and wire.transport == "rest"]
)
def test_a_stream_of_events_ends_with_no_text_and_an_error_in_it_is_no_answer(key: tuple[str, str]) -> None:
    assert TEXTS[key].decode(text_wires.DONE) == {"text": ""}
    with pytest.raises(BadAnswerError):
        TEXTS[key].decode(b'{"error": {"code": "INTERNAL", "message": "it broke"}}')


def test_labels_come_in_the_order_of_the_model_and_scores_with_their_verdict(tmp_path: Path) -> None:
    model = model_of(bundles.write_classifier(tmp_path))
    labels = [("right", 0.7), ("dark", 0.2), ("left", 0.1)]
    rest = orjson.dumps({"labels": [{"label": name, "probability": share} for name, share in labels]})
    grpc = message(
        tasks_pb2.ClassifyReply,
        labels=[tasks_pb2.LabelScore(label=name, probability=share) for name, share in labels],
    )
    for answer in (row_wires.read_classify(model, rest), row_wires.read_classify_message(model, grpc)):
        assert np.asarray(answer["probabilities"]).tolist() == [0.2, 0.1, 0.7]
    scored = [
        row_wires.read_score(orjson.dumps({"threshold": 4, "rows": [{"score": 5.0, "is_anomaly": True}]})),
        row_wires.read_score_message(
            message(tasks_pb2.ScoreReply, threshold=4, rows=[tasks_pb2.RowScore(score=5.0, is_anomaly=True)])
        ),
    ]
    for answer in scored:
        assert {name: np.asarray(part).tolist() for name, part in answer.items()} == {
            "score": [5.0], "is_anomaly": [True], "threshold": [4.0],
        }  # fmt: skip

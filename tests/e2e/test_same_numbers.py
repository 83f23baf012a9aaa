"""One input, every wire, the same numbers: those of a bare run of the model's default graph, for each trained model.

Knows each wire by its own messages and none of the gateway's codecs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import onnxruntime
import orjson
import pytest
from tokenizers import Tokenizer

from pb import (
    oip_pb2,
    oip_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
    tensorflow_pb2,
    tfserving_pb2,
    tfserving_pb2_grpc,
)
from service import bundle
from tests.e2e.conftest import MODELS, Newcomer

pytestmark = pytest.mark.slow

Arrays = dict[str, np.ndarray]
Answer = dict[str, Any]
"""Outputs by name: arrays where the wire says the dtype in binary, nested lists where it is JSON."""

OF_TENSORFLOW = {
    "DT_FLOAT": (np.float32, "float_val"),
    "DT_INT32": (np.int32, "int_val"),
    "DT_BOOL": (np.bool_, "bool_val"),
}
OF_OIP = {"FP32": np.float32, "INT32": np.int32, "BOOL": np.bool_}
TO_OIP = {np.dtype(dtype): name for name, dtype in OF_OIP.items()}
SAVED_MODEL = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf

home, asked = map(Path, sys.argv[1:])
for inputs in asked.glob("*.in.npz"):
    name = inputs.name.removesuffix(".in.npz")
    loaded = tf.saved_model.load(str(home / "models" / name / "1"))
    answer = loaded.signatures["serving_default"](**{key: tf.constant(each) for key, each in np.load(inputs).items()})
    np.savez(asked / f"{name}.out.npz", **{key: each.numpy() for key, each in answer.items()})
"""


@dataclass(frozen=True)
class Wires:
    """The newcomer's gateway, whose models' files are at hand too."""

    home: Path
    http: httpx.Client
    channel: grpc.Channel

    def post(self, path: str, body: object) -> Any:
        response = self.http.post(path, content=orjson.dumps(body))
        assert response.status_code == 200, response.text
        return orjson.loads(response.content)

    def version(self, model: str) -> Path:
        return self.home / "models" / model / "1"

    def inputs(self, model: str) -> Arrays:
        """Return the inputs of the default signature that export recorded: four rows of the model's own kind."""
        with np.load(
            self.version(model)
            / f"assets.extra/golden-{bundle.read(self.version(model)).default_signature}.npz"
        ) as golden:
            return {name.removeprefix("in."): golden[name] for name in golden.files if name.startswith("in.")}

    def bare(self, model: str, inputs: Arrays, graph: str = "model.onnx") -> Arrays:
        session = onnxruntime.InferenceSession(
            self.version(model) / graph, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))


@pytest.fixture(scope="module")
def wires(newcomer: Newcomer) -> Iterator[Wires]:
    with (
        httpx.Client(base_url=newcomer.here("http://localhost:8000"), timeout=60) as client,
        grpc.insecure_channel(newcomer.here("localhost:8001")) as channel,
    ):
        yield Wires(newcomer.home, client, channel)


def lists(inputs: Arrays) -> dict[str, Any]:
    return {name: array.tolist() for name, array in inputs.items()}


def tasks_rest(wires: Wires, model: str, inputs: Arrays) -> Answer:
    return wires.post("/v1/predict", {"model": model, "inputs": lists(inputs)})["outputs"]


def tasks_grpc(wires: Wires, model: str, inputs: Arrays) -> Answer:
    request = tasks_pb2.PredictRequest(model=tasks_pb2.ModelRef(name=model))
    for name, array in inputs.items():
        request.inputs[name].MergeFrom(
            tasks_pb2.Tensor(dtype=array.dtype.name, shape=array.shape, raw=array.tobytes())
        )
    outputs = tasks_pb2_grpc.InferenceStub(wires.channel).Predict(request).outputs
    return {name: np.frombuffer(each.raw, each.dtype).reshape(each.shape) for name, each in outputs.items()}


def tfserving_rows(wires: Wires, model: str, inputs: Arrays) -> Answer:
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*lists(inputs).values(), strict=True)]
    predictions = wires.post(f"/v1/models/{model}:predict", {"instances": rows})["predictions"]
    return by_name(wires, model, predictions) or {
        name: [row[name] for row in predictions] for name in predictions[0]
    }


def tfserving_columns(wires: Wires, model: str, inputs: Arrays) -> Answer:
    outputs = wires.post(f"/v1/models/{model}:predict", {"inputs": lists(inputs)})["outputs"]
    return by_name(wires, model, outputs) or outputs


def by_name(wires: Wires, model: str, value: Any) -> Answer | None:
    """Return a single output under the name that TensorFlow Serving leaves out, None if there are several."""
    names = [output.name for output in bundle.read(wires.version(model)).default.outputs]
    return {names[0]: value} if len(names) == 1 else None


def tfserving_grpc(wires: Wires, model: str, inputs: Arrays) -> Answer:
    request = tfserving_pb2.PredictRequest(model_spec=tfserving_pb2.ModelSpec(name=model))
    for name, array in inputs.items():
        dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32"}[array.dtype.name]
        dims = [tensorflow_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
        request.inputs[name].dtype = tensorflow_pb2.DataType.Value(dtype)
        request.inputs[name].tensor_shape.dim.extend(dims)
        request.inputs[name].tensor_content = array.tobytes()
    outputs = tfserving_pb2_grpc.PredictionServiceStub(wires.channel).Predict(request).outputs
    return {name: of_tensor(each) for name, each in outputs.items()}


def of_tensor(tensor: tensorflow_pb2.TensorProto) -> np.ndarray:
    dtype, field = OF_TENSORFLOW[tensorflow_pb2.DataType.Name(tensor.dtype)]
    return np.array(getattr(tensor, field), dtype).reshape([dim.size for dim in tensor.tensor_shape.dim])


def oip_json(wires: Wires, model: str, inputs: Arrays) -> Answer:
    tensors = [
        {"name": name, "datatype": TO_OIP[array.dtype], "shape": array.shape, "data": array.ravel().tolist()}
        for name, array in inputs.items()
    ]
    outputs = wires.post(f"/v2/models/{model}/infer", {"inputs": tensors})["outputs"]
    return {
        each["name"]: np.array(each["data"], OF_OIP[each["datatype"]]).reshape(each["shape"])
        for each in outputs
    }


def oip_binary(wires: Wires, model: str, inputs: Arrays) -> Answer:
    tensors = [
        {
            "name": name,
            "datatype": TO_OIP[array.dtype],
            "shape": array.shape,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in inputs.items()
    ]
    head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    response = wires.http.post(
        f"/v2/models/{model}/infer",
        content=b"".join((head, *(array.tobytes() for array in inputs.values()))),
        headers={"inference-header-content-length": str(len(head))},
    )
    length = int(response.headers["inference-header-content-length"])
    answer, rest = {}, response.content[length:]
    for each in orjson.loads(response.content[:length])["outputs"]:
        size = each["parameters"]["binary_data_size"]
        answer[each["name"]] = np.frombuffer(rest[:size], OF_OIP[each["datatype"]]).reshape(each["shape"])
        rest = rest[size:]
    assert rest == b""
    return answer


def oip_grpc(wires: Wires, model: str, inputs: Arrays) -> Answer:
    request = oip_pb2.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=TO_OIP[array.dtype], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    reply = oip_pb2_grpc.GRPCInferenceServiceStub(wires.channel).ModelInfer(request)
    return {
        each.name: np.frombuffer(raw, OF_OIP[each.datatype]).reshape(each.shape)
        for each, raw in zip(reply.outputs, reply.raw_output_contents, strict=True)
    }


WIRES: dict[str, Callable[[Wires, str, Arrays], Answer]] = {
    "predict over REST": tasks_rest,
    "predict over gRPC": tasks_grpc,
    "TensorFlow Serving REST by row": tfserving_rows,
    "TensorFlow Serving REST by column": tfserving_columns,
    "TensorFlow Serving gRPC": tfserving_grpc,
    "Open Inference Protocol JSON": oip_json,
    "Open Inference Protocol binary": oip_binary,
    "Open Inference Protocol gRPC": oip_grpc,
}


def assert_same(answer: Answer, expected: Arrays) -> None:
    """Compare bit for bit; what came as nested lists is rounded to the dtype that it was written from."""
    assert answer.keys() == expected.keys()
    for name, array in expected.items():
        found = answer[name] if isinstance(answer[name], np.ndarray) else np.array(answer[name], array.dtype)
        assert (found.dtype, found.shape) == (array.dtype, array.shape), name
        assert found.tobytes() == array.tobytes(), name


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_gives_the_numbers_of_a_bare_run(wires: Wires, wire: str, model: str) -> None:
    inputs = wires.inputs(model)
    assert_same(WIRES[wire](wires, model, inputs), wires.bare(model, inputs))


def test_the_saved_models_give_them_too(wires: Wires, tmp_path: Path) -> None:
    for model in MODELS:
        np.savez(tmp_path / f"{model}.in.npz", **wires.inputs(model))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SAVED_MODEL, str(wires.home), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for model in MODELS:
        answer = oip_grpc(wires, model, wires.inputs(model))
        with np.load(tmp_path / f"{model}.out.npz") as saved:
            assert set(saved.files) == answer.keys()
            for name, array in answer.items():
                expected = saved[name].astype(np.float64)
                assert array.shape == expected.shape
                assert np.max(np.abs(array - expected) / (1 + np.abs(expected))) < 1e-4, (model, name)


def test_classify_gives_the_probabilities(wires: Wires) -> None:
    image = wires.inputs("digits-cnn")["image"][:1]
    (probabilities,) = wires.bare("digits-cnn", {"image": image})["probabilities"]
    body = {"model": "digits-cnn", "pixels": image[0].tolist(), "scaled": True, "top_k": 10}
    by_rest = {each["label"]: each["probability"] for each in wires.post("/v1/classify", body)["labels"]}
    expected = dict(zip(map(str, range(10)), probabilities.tolist(), strict=True))
    assert by_rest == expected


def test_score_gives_the_scores_and_verdicts(wires: Wires) -> None:
    inputs = wires.inputs("tumour-autoencoder")
    expected = wires.bare("tumour-autoencoder", inputs)
    answer = wires.post("/v1/score", {"model": "tumour-autoencoder", "rows": inputs["features"].tolist()})
    assert [row["score"] for row in answer["rows"]] == expected["score"].tolist()
    assert [row["is_anomaly"] for row in answer["rows"]] == expected["is_anomaly"].tolist()
    assert answer["threshold"] == expected["threshold"][0]


def test_greedy_text_is_the_same_on_every_wire_and_of_a_bare_loop(wires: Wires) -> None:
    prompt, count = "The value of ", 40
    body = {"model": "prose-lstm", "prompt": prompt, "max_tokens": count, "temperature": 0}
    rpc = tasks_pb2.GenerateRequest(
        model=tasks_pb2.ModelRef(name="prose-lstm"), prompt=prompt, max_tokens=count, temperature=0
    )
    oip = {"text_input": prompt, "parameters": {"max_tokens": count, "temperature": 0}}
    stub = tasks_pb2_grpc.InferenceStub(wires.channel)
    texts = {
        "REST": wires.post("/v1/generate", body)["text"],
        "gRPC": stub.Generate(rpc).text,
        "gRPC stream": "".join(chunk.text for chunk in stub.GenerateStream(rpc)),
        "OpenAI": wires.post("/v1/completions", body)["choices"][0]["text"],
        "Open Inference Protocol": wires.post("/v2/models/prose-lstm/generate", oip)["text_output"],
    }
    assert texts == dict.fromkeys(texts, continued(wires, prompt, count))


def continued(wires: Wires, prompt: str, count: int) -> str:
    """Return the greedy continuation of bare runs, the prompt first and then one character at a time."""
    vocabulary = json.loads((wires.version("prose-lstm") / "assets.extra/vocabulary.json").read_text("utf-8"))
    ids, text = [vocabulary.index(character) for character in prompt], ""
    state = {
        name: array[:1] * 0 for name, array in wires.inputs("prose-lstm").items() if name[:2] in {"h_", "c_"}
    }
    for _ in range(count):
        feeds = {"ids": np.array([ids], np.int32), "lengths": np.array([len(ids)], np.int32), **state}
        outputs = wires.bare("prose-lstm", feeds)
        state = {name: outputs[f"{name}_out"] for name in state}
        ids = [int(outputs["logits"].argmax())]
        text += vocabulary[ids[0]]
    return text


def test_a_translation_is_the_same_on_both_wires_and_of_a_bare_loop(wires: Wires) -> None:
    text = "She gives them the book."
    body = {"model": "english-french", "text": text, "beams": 1, "max_tokens": 20}
    request = tasks_pb2.TranslateRequest(texts=[text], beams=1, max_tokens=20)
    expected = translated(wires, text, 20)
    assert wires.post("/v1/translate", body)["translations"][0]["text"] == expected
    assert tasks_pb2_grpc.InferenceStub(wires.channel).Translate(request).translations[0].text == expected


def translated(wires: Wires, text: str, count: int) -> str:
    """Return the greedy translation of bare runs: the encoder once, then a step for each token."""
    task = bundle.read(wires.version("english-french")).task
    assert isinstance(task, bundle.Translate)
    source, target = (
        Tokenizer.from_file(str(wires.version("english-french") / each.file))
        for each in (task.source_tokenizer, task.target_tokenizer)
    )
    ids = np.array([[*source.encode(text, add_special_tokens=False).ids, task.end_id]], np.int32)
    context = wires.bare("english-french", {"source": ids})
    heads, width = context["cross_k_0"].shape[1], context["cross_k_0"].shape[3]
    past = {entry.input: np.zeros((1, heads, 0, width), np.float32) for entry in task.step.state}
    tokens = [task.start_id]
    for position in range(count):
        feeds = {"ids": np.array([tokens[-1:]], np.int32), "positions": np.array([[position]], np.int32)}
        feeds |= {"past_mask": np.ones((1, position), np.float32), **past, **context}
        outputs = wires.bare("english-french", feeds, "step.onnx")
        tokens.append(int(outputs["logits"].argmax()))
        if tokens[-1] == task.end_id:
            break
        past = {
            each.input: np.concatenate((past[each.input], outputs[each.output]), 2)
            for each in task.step.state
        }
    return target.decode([token for token in tokens[1:] if token != task.end_id])

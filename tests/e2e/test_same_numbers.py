"""One input, every wire, the same numbers: those of a bare run of the model's default graph, for each trained model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from tokenizers import Tokenizer

from pb import tasks_pb2, tasks_pb2_grpc
from service import bundle
from tests.e2e.conftest import MODELS, Newcomer
from tests.support.wires import WIRES, Answer, Arrays, Wires, oip_grpc

pytestmark = pytest.mark.slow

SAVED_MODEL = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf

home, asked = map(Path, sys.argv[1:])
for model in asked.iterdir():
    loaded = tf.saved_model.load(str(home / "models" / model.name / "1"))
    expected = {path.name.removesuffix(".in.npz") for path in model.iterdir()}
    assert expected == set(loaded.signatures), (model.name, expected, set(loaded.signatures))
    for name in expected:
        inputs = {key: tf.constant(each) for key, each in np.load(model / f"{name}.in.npz").items()}
        answer = {key: each.numpy() for key, each in loaded.signatures[name](**inputs).items()}
        np.savez(model / f"{name}.out.npz", **answer)
"""


@pytest.fixture(scope="module")
def wires(newcomer: Newcomer) -> Iterator[Wires]:
    with (
        httpx.Client(base_url=newcomer.here("http://localhost:8000"), timeout=60) as client,
        grpc.insecure_channel(newcomer.here("localhost:8001")) as channel,
    ):
        yield Wires(newcomer.home, client, channel)


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


def test_every_signature_of_the_saved_models_gives_them_too(wires: Wires, tmp_path: Path) -> None:
    for model in MODELS:
        (tmp_path / model).mkdir()
        for signature in (*wires.recorded(model), "serving_default"):
            np.savez(tmp_path / model / f"{signature}.in.npz", **wires.inputs(model, signature))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SAVED_MODEL, str(wires.home), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for model in MODELS:
        for signature in (*wires.recorded(model), "serving_default"):
            asked = None if signature == "serving_default" else signature
            answer = oip_grpc(wires, model, wires.inputs(model, signature), asked)
            with np.load(tmp_path / model / f"{signature}.out.npz") as saved:
                assert_close(answer, dict(saved), (model, signature))


def assert_close(answer: Arrays, saved: Arrays, where: object) -> None:
    assert saved.keys() == answer.keys(), where
    for name, array in answer.items():
        expected = saved[name].astype(np.float64)
        assert array.shape == expected.shape, (where, name)
        assert np.max(np.abs(array - expected) / (1 + np.abs(expected)), initial=0) < 1e-4, (where, name)


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


def continuations(
    wires: Wires, prompt: str, count: int, *, model: str = "prose-lstm", **sampling: float
) -> dict[str, str]:
    """Return the text that each wire gives for one prompt."""
    body = {"model": model, "prompt": prompt, "max_tokens": count, **sampling}
    oip = {"text_input": prompt, "parameters": {"max_tokens": count, **sampling}}
    ref = tasks_pb2.ModelRef(name=model)
    rpc = tasks_pb2.GenerateRequest(model=ref, prompt=prompt, max_tokens=count, **sampling)
    stub = tasks_pb2_grpc.InferenceStub(wires.channel)
    return {
        "REST": wires.post("/v1/generate", body)["text"],
        "gRPC": stub.Generate(rpc).text,
        "gRPC stream": "".join(chunk.text for chunk in stub.GenerateStream(rpc)),
        "OpenAI": wires.post("/v1/completions", body)["choices"][0]["text"],
        "Open Inference Protocol": wires.post(f"/v2/models/{model}/generate", oip)["text_output"],
    }


def test_greedy_text_is_that_of_a_bare_loop_on_every_wire(wires: Wires) -> None:
    texts = continuations(wires, "The value of ", 40, temperature=0)
    assert texts == dict.fromkeys(texts, continued(wires, "The value of ", 40))


def test_a_seed_gives_the_same_text_on_every_wire(wires: Wires) -> None:
    texts = continuations(wires, "The value of ", 40, temperature=1, seed=7)
    assert texts == dict.fromkeys(texts, texts["REST"])
    assert len(set(texts["REST"])) > 10


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


def test_a_chat_models_reply_is_that_of_a_bare_loop_on_every_wire(wires: Wires) -> None:
    prompt = "What is two plus three?"
    expected = replied(wires, prompt, 12)
    texts = continuations(wires, prompt, 12, model="chat-gru", temperature=0)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": prompt}]
    chat = {"model": "chat-gru", "messages": messages, "max_tokens": 12, "temperature": 0}
    texts["chat"] = wires.post("/v1/chat/completions", chat)["choices"][0]["message"]["content"]
    assert texts == dict.fromkeys(texts, expected)


def replied(wires: Wires, prompt: str, count: int) -> str:
    """Return the greedy reply of bare runs: the encoder once, then a step for each token."""
    task = bundle.read(wires.version("chat-gru")).task
    assert isinstance(task, bundle.Generate)
    assert task.encoder is not None
    questions, replies = (
        Tokenizer.from_file(str(wires.version("chat-gru") / each.file))
        for each in (task.encoder.tokenizer, task.tokenizer)
    )
    ids = np.array([[*questions.encode(prompt, add_special_tokens=False).ids, task.encoder.end_id]], np.int32)
    context = wires.bare("chat-gru", {"source": ids})
    tokens, state = [task.start_id], np.zeros_like(context["thought"])
    for position in range(count):
        feeds = {"ids": np.array([tokens[-1:]], np.int32), "positions": np.array([[position]], np.int32)}
        outputs = wires.bare("chat-gru", {**feeds, "h": state, **context}, "step.onnx")
        state = outputs["h_out"]
        tokens.append(int(outputs["logits"].argmax()))
        if tokens[-1] == task.end_id:
            break
    return replies.decode([token for token in tokens[1:] if token != task.end_id])


def test_a_translation_is_the_same_on_both_wires_and_of_a_bare_loop(wires: Wires) -> None:
    text = "The old teacher does not see the small house."
    body = {"model": "english-french", "text": text, "beams": 1, "max_tokens": 20}
    request = tasks_pb2.TranslateRequest(texts=[text], beams=1, max_tokens=20)
    expected = translated(wires, text, 20)
    (by_rest,) = wires.post("/v1/translate", body)["translations"]
    (by_rpc,) = tasks_pb2_grpc.InferenceStub(wires.channel).Translate(request).translations
    assert by_rest["text"] == by_rpc.text == expected
    assert by_rest["score"] == by_rpc.score


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

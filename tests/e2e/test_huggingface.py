"""Models as Hugging Face's exporters left them, through the real process: the answers are those of PyTorch."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests import huggingface
from tests.e2e.conftest import ROOT, Server

PYTHON = ROOT / ".venv-clients/bin/python"
DECODERS = ("gpt2", "llama")
PAIRS = ("marian", "t5")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway over the four models, and over one without its tokenizer and one without its decoder."""
    models = tmp_path_factory.mktemp("models")
    for name in (*DECODERS, *PAIRS):
        huggingface.publish(name, models, folder="onnx" if name == "llama" else "")
    without = tmp_path_factory.mktemp("without")
    plain = huggingface.publish("gpt2", without, without=("tokenizer.json",))
    plain.parent.rename(models / "plain")
    half = huggingface.publish("t5", without, without=("decoder_with_past_model.onnx",))
    half.parent.rename(models / "half")
    with Server(models, "--engine-slots=4") as server:
        for name in (*DECODERS, *PAIRS, "plain"):
            server.wait_until_available(name)
        server.wait_for(lambda: server.versions("half")[1]["state"] == "failed")
        yield server


def answers(name: str) -> list[dict[str, Any]]:
    told = huggingface.expected(name)
    return [{**each, "max_tokens": told["max_tokens"]} for each in told["answers"]]


def streamed(server: Server, name: str, expected: dict[str, Any]) -> tuple[str, str, int]:
    """Return the text of the task API's stream, why it ended, and how many tokens were made."""
    body = {"model": name, "prompt": expected["text"], "max_tokens": expected["max_tokens"]}
    with server.http.stream(
        "POST", "/v1/generate", json={**body, "temperature": 0, "stream": True}
    ) as answer:
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(chunk["text"] for chunk in chunks)
    return text, chunks[-1]["finish_reason"], chunks[-1]["usage"]["completion_tokens"]


@pytest.mark.parametrize("name", DECODERS)
def test_streams_of_the_task_api_side_by_side_have_the_text_of_the_framework(
    exported: Server, name: str
) -> None:
    expected = answers(name)
    with ThreadPoolExecutor(len(expected)) as callers:
        found = list(callers.map(lambda each: streamed(exported, name, each), expected))
    assert found == [(each["answer"], each["finish_reason"], len(each["tokens"])) for each in expected]


def test_streams_of_the_openai_client_side_by_side_have_the_text_of_the_framework(exported: Server) -> None:
    asked = [
        {
            "request": {"model": name, "prompt": each["text"], "max_tokens": each["max_tokens"]},
            "answer": each["answer"],
            "finish_reason": each["finish_reason"],
        }
        for name in DECODERS
        for each in answers(name)
    ]
    script = ROOT / "tests/clients/openai_streams.py"
    command = [PYTHON, script, str(exported.ports["http_port"])]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PAIRS)
def test_one_request_with_ragged_texts_has_the_translations_of_the_framework(
    exported: Server, name: str
) -> None:
    expected = answers(name)
    texts = [each["text"] for each in expected]
    body = {"model": name, "texts": texts, "beams": 1, "max_tokens": expected[0]["max_tokens"]}
    told = exported.post("translate", body).json()["translations"]
    assert [(each["text"], each["finish_reason"]) for each in told] == [
        (each["answer"], each["finish_reason"]) for each in expected
    ]


def test_what_is_too_long_for_the_model_is_refused_and_never_run(exported: Server) -> None:
    for name, word, body in (
        ("gpt2", "generate", {"prompt": "water " * 64}),
        ("llama", "generate", {"prompt": "the boat " * 40}),
        ("marian", "translate", {"text": "the sea " * 40}),
    ):
        answer = exported.post(word, {"model": name, **body})
        assert answer.status_code == 400, answer.text
        assert "this model takes at most 6" in answer.text


def test_a_decoder_without_its_tokenizer_answers_predict_and_the_log_says_why(exported: Server) -> None:
    assert exported.post("generate", {"model": "plain", "prompt": "the river"}).status_code == 501
    lines = [json.loads(line) for line in exported.log().splitlines() if "decoder_served_as_predict" in line]
    assert [(line["model"], line["missing"]) for line in lines] == [("plain", ["tokenizer.json"])]


def test_a_pair_without_one_of_its_graphs_says_which_is_missing(exported: Server) -> None:
    assert "'decoder_with_past_model.onnx' is missing" in exported.versions("half")[1]["reason"]

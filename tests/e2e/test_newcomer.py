"""What a newcomer does: `make serve`'s command on an empty repository, then every call of the README as it stands."""

import json
import re
import sys

import httpx
import pytest

from tests.e2e.conftest import MODELS, ROOT, Newcomer

README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


CURLS = [block for block in blocks("bash") if block.startswith("curl")]


def test_there_is_a_call_for_every_word() -> None:
    words = {re.search(r"/v1/(\w+)", block)[1] for block in CURLS}  # type: ignore[index]
    assert words == {"classify", "generate", "chat", "translate", "score", "predict"}


@pytest.mark.parametrize("command", CURLS, ids=lambda block: re.search(r"/v1/(\w+)", block)[1])  # type: ignore[index]
def test_every_curl_line_answers(newcomer: Newcomer, command: str) -> None:
    answer = newcomer.run(["bash", "-c", newcomer.here(command)])
    if "stream" in command:
        events = [line.removeprefix("data: ") for line in answer.splitlines() if line]
        assert events[-1] == "[DONE]"
        assert json.loads(events[-2])["finish_reason"] == "length"
    elif "/v1/chat" in command:
        assert json.loads(answer)["choices"][0]["message"]["role"] == "assistant"
    else:
        assert json.loads(answer)["model"]["version"] == 1


def test_the_python_block_answers_every_word(newcomer: Newcomer) -> None:
    (block,) = blocks("python")
    printed = newcomer.run([sys.executable, "-c", newcomer.here(block)])
    assert len(printed.splitlines()) >= 6


def test_the_gateway_reports_every_model_in_its_metrics(newcomer: Newcomer) -> None:
    page = httpx.get(newcomer.here("http://localhost:8002/metrics")).text
    for model in MODELS:
        assert f'model="{model}"' in page


def test_a_second_start_finds_the_models_and_trains_nothing(newcomer: Newcomer) -> None:
    again = [sys.executable, "-m", "deploy.train", "--only", "first", "--profile", "smoke"]
    again += ["--models", str(newcomer.home / "models"), "--runs", str(newcomer.home / "runs")]
    assert newcomer.run(again) == f"{len(MODELS)} of {len(MODELS)} up to date\n"
    versions = newcomer.home.glob("models/*/[0-9]*")
    assert sorted(path.name for path in versions) == ["1"] * len(MODELS)

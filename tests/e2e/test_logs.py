"""What the process writes about requests: who, how it went, and never what was in them."""

import base64
import json
from pathlib import Path

import grpc
import pytest

from pb import tasks_pb2 as pb
from pb.tasks_pb2_grpc import InferenceStub
from tests.e2e.conftest import Server
from tests.support import sound_requests

WORD = "quokka"
"""A word that is in every request below, and in no name of ours."""


def test_a_line_for_each_request_with_its_id_and_nothing_of_what_was_in_it(tmp_path: Path) -> None:
    sound_requests.write_models(tmp_path)
    with Server(tmp_path, "--log-access=true") as server:
        for name in sound_requests.SERVED:
            server.wait_until_available(name)
        answered = ask_well(server)
        refused = ask_wrongly(server)
        for request_id in answered | refused:
            server.wait_for(lambda request_id=request_id: request_id in server.log())
        assert server.stop() == 0
        log = server.log()
    assert WORD not in log
    assert base64.b64encode(WORD.encode()).decode() not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["request_id"] for line in lines if line["event"] == "answered"} >= answered
    assert {line["request_id"] for line in lines if line["event"] == "refused"} >= refused
    for line in lines:
        assert {"event", "level", "logger", "timestamp"} <= line.keys()


def ask_well(server: Server) -> set[str]:
    """Ask over every wire; returns the ids under which the answers came."""
    found = set()
    asked = {
        "/v1/generate": {"prompt": WORD, "max_tokens": 2},
        "/v1/translate": {"text": WORD},
        "/v1/completions": {"model": "letters", "prompt": WORD, "max_tokens": 2},
        "/v1/chat/completions": {
            "model": "letters",
            "messages": [{"role": "user", "content": WORD}],
            "max_tokens": 2,
        },
    }
    for number, (path, body) in enumerate(asked.items()):
        answer = server.http.post(path, json=body, headers={"x-request-id": f"well-{number}"})
        assert answer.status_code == 200, answer.text
        found.add(answer.headers["x-request-id"])
    stub = InferenceStub(server.channel)
    stub.Generate(pb.GenerateRequest(prompt=WORD, max_tokens=2), metadata=(("x-request-id", "well-grpc"),))
    return found | {"well-grpc"}


def ask_wrongly(server: Server) -> set[str]:
    """Ask for what cannot be answered; returns the ids of two of which a line is written: of many alike it is not."""
    wrong = {
        "/v1/score": {"rows": [{WORD: 1, "width": 2, "height": 1}]},
        "/v1/predict": {"model": "multiply", "inputs": {WORD: [[1, 2, 3, 4]]}},
        "/v1/models/multiply:predict": {"instances": [[WORD]]},
        "/v2/models/multiply/infer": {"inputs": [{**sound_requests.TENSOR, "name": WORD}]},
    }
    for number, (path, body) in enumerate(wrong.items()):
        answer = server.http.post(path, json=body, headers={"x-request-id": f"wrong-{number}"})
        assert 400 <= answer.status_code < 500, answer.text
    stub = InferenceStub(server.channel)
    with pytest.raises(grpc.RpcError, match=WORD):
        stub.Generate(pb.GenerateRequest(model=pb.ModelRef(name=WORD), prompt=WORD))
    return {"wrong-0", "wrong-1"}

"""What sampling and turns can be asked for reaches the request over every wire that generates."""

import pytest
from pydantic import ValidationError

from pb import tasks_pb2
from service.domain import GenerateRequest, Sampling
from service.errors import Invalid
from service.protocols import http, rpc
from service.protocols.limits import WireLimits
from service.protocols.oip import generation
from service.protocols.openai.bodies import ChatBody, CompletionBody
from service.protocols.tasks import messages
from service.protocols.tasks.bodies import GenerateBody, TranslateBody

ASKED = {
    "temperature": 0.5,
    "top_k": 7,
    "top_p": 0.9,
    "min_p": 0.1,
    "seed": 3,
    "repetition_penalty": 1.2,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
}
MEANT = Sampling(
    temperature=0.5,
    top_k=7,
    top_p=0.9,
    seed=3,
    presence_penalty=0.5,
    frequency_penalty=-0.5,
    min_p=0.1,
    repetition_penalty=1.2,
)
LIMITS = WireLimits(max_body_bytes=1, default_timeout_s=5.0, max_timeout_s=20.0, max_rpcs=1)


def over_rest() -> GenerateRequest:
    return GenerateBody.model_validate({"prompt": "a", "priority": -4, **ASKED}).to_request()


def over_grpc() -> GenerateRequest:
    return messages.decode_generate(tasks_pb2.GenerateRequest(prompt="a", priority=-4, **ASKED))


def over_oip() -> GenerateRequest:
    return generation.request_of({"text_input": "a", "priority": 6, **ASKED})


@pytest.mark.parametrize("wire", [over_rest, over_grpc, over_oip])
def test_all_of_sampling_and_a_priority(wire: object) -> None:
    request = wire()  # type: ignore[operator]  # each is one of the three above
    assert (request.sampling, request.priority) == (MEANT, -4)


@pytest.mark.parametrize(
    "body",
    [
        CompletionBody.model_validate({"model": "m", "prompt": "a", "priority": -4, **ASKED}),
        ChatBody.model_validate(
            {"model": "m", "messages": [{"role": "user", "content": "a"}], "priority": -4, **ASKED}
        ),
    ],
)
def test_openais_bodies_take_the_same_as_extras(body: CompletionBody | ChatBody) -> None:
    assert (body.sampling(None), body.priority) == (MEANT, -4)


def test_translations_have_priorities_too() -> None:
    assert TranslateBody.model_validate({"text": "a", "priority": 9}).to_request().priority == 9
    message = tasks_pb2.TranslateRequest(texts=["a"], priority=9)
    assert messages.decode_translate(message).priority == 9


def test_tritons_priorities_begin_with_the_highest_and_zero_is_none() -> None:
    meant = {
        given: generation.request_of({"text_input": "a", "priority": given}).priority
        for given in (0, 1, 10, 11)
    }
    assert meant == {0: 0, 1: -9, 10: 0, 11: 1}


@pytest.mark.parametrize("priority", [-1, 111])
def test_a_priority_of_no_meaning_is_refused(priority: int) -> None:
    with pytest.raises(Invalid) as caught:
        generation.request_of({"text_input": "a", "priority": priority})
    assert caught.value.field == "priority"


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_p", 1.1), ("repetition_penalty", 0), ("presence_penalty", 2.1), ("priority", 101)],
)
def test_what_is_out_of_bounds_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        GenerateBody.model_validate({"prompt": "a", field: value})


def test_a_client_is_its_machine_or_whom_a_proxy_names() -> None:
    peer = ("10.0.0.7", 51234)
    assert http.call({}, LIMITS, "r", 0.0, peer).client == "10.0.0.7"
    assert http.call({b"x-client-id": b"team-a"}, LIMITS, "r", 0.0, peer).client == "team-a"
    assert http.call({}, LIMITS, "r", 0.0).client == ""
    assert len(http.call({b"x-client-id": b"x" * 9999}, LIMITS, "r", 0.0).client) == 128
    assert rpc.call({}, None, LIMITS, "ipv4:10.0.0.7:51234").client == "ipv4:10.0.0.7"
    assert rpc.call({"x-client-id": "team-a"}, None, LIMITS, "ipv4:10.0.0.7:51234").client == "team-a"

"""From bodies to sequences: what is accepted, what is refused and by which name."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import GenerateRequest, ModelRef, Sampling
from service.errors import Invalid, ServiceError
from service.protocols.openai import bodies, chat, completions, template
from service.protocols.openai.fields import HARMLESS, IGNORED

ASK = {"model": "m", "prompt": "p"}
TALK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def plan_of(**fields: Any) -> Any:
    return completions.decode(json.dumps({**ASK, **fields}).encode())


def talk_of(**fields: Any) -> Any:
    return chat.decode(json.dumps({**TALK, **fields}).encode())


def test_a_completion_has_openais_defaults() -> None:
    plan = plan_of()
    assert plan.sequences == (GenerateRequest("p", 16, Sampling()),)
    assert (plan.ref, plan.made, plan.told, plan.stream) == (ModelRef("m"), 1, 1, False)


def test_everything_that_shapes_a_completion_is_passed_on() -> None:
    (request,) = plan_of(
        max_tokens=3, temperature=0.5, top_p=0.9, top_k=4, seed=7, stop=["a", "b"], echo=True,
        presence_penalty=1, frequency_penalty=-1.5, logit_bias={"5": -100, "7": 3.5},
    ).sequences  # fmt: skip
    sampling = Sampling(0.5, 4, 0.9, 7, 1.0, -1.5, ((5, -100.0), (7, 3.5)))
    assert request == GenerateRequest("p", 3, sampling, ("a", "b"), echo=True)


def test_null_means_the_default_and_harmless_fields_change_nothing() -> None:
    nothing = dict.fromkeys(
        ("max_tokens", "n", "stop", "logprobs", "seed", "logit_bias", "suffix", "best_of")
    )
    assert plan_of(**nothing) == plan_of()
    harmless = {name: values[0] for name, values in HARMLESS.items() if values}
    assert talk_of(**harmless, **dict.fromkeys(IGNORED, "x")) == talk_of()


def test_a_completion_without_a_prompt_has_the_empty_one() -> None:
    assert completions.decode(b'{"model": "m"}') == plan_of(prompt="") == plan_of(prompt=None)


def test_no_tokens_at_all_may_be_asked_for_with_echo() -> None:
    (request,) = plan_of(max_tokens=0, echo=True, logprobs=1).sequences
    assert request == GenerateRequest("p", 0, Sampling(logprobs=1), echo=True)


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_is_not_served_is_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid, match="is not served") as caught:
        talk_of(**{name: {"a": 1}})
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", ("a",)),
        ("", ("",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_every_form_of_prompt_is_taken(prompt: Any, expected: Any) -> None:
    assert tuple(request.prompt for request in plan_of(prompt=prompt).sequences) == expected


@pytest.mark.parametrize(
    "prompt", [[], [[]], [1, "a"], ["a", 1], [1.5], [True], {"a": 1}, 5, [["a"]], [[1], "a"]]
)
def test_anything_else_is_no_prompt(prompt: Any) -> None:
    with pytest.raises(Invalid) as caught:
        plan_of(prompt=prompt)
    assert caught.value.field == "prompt"


def test_each_choice_has_its_own_seed_and_each_prompt_the_same_ones() -> None:
    plan = plan_of(prompt=["a", "b"], n=2, best_of=3, seed=2**63 - 1)
    assert [(each.prompt, each.sampling.seed) for each in plan.sequences] == [
        (prompt, 2**63 - 1 + index) for prompt in ("a", "b") for index in range(3)
    ]
    assert (plan.made, plan.told) == (3, 2)
    assert all(each.sampling.ranked for each in plan.sequences), "who is best is judged by log-probability"
    assert not plan_of(n=2).sequences[0].sampling.ranked
    assert plan_of(seed=-1).sequences[0].sampling.seed == 2**64 - 1
    assert [each.sampling.seed for each in plan_of(seed=-1, n=2).sequences] == [2**64 - 1, 0]
    assert [each.sampling.seed for each in plan_of(n=2).sequences] == [None, None]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.0}, "n"),
        ({"n": 20, "best_of": 20, "prompt": ["a"] * 7}, "n"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"best_of": 21}, "best_of"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"stop": 1}, "stop"),
        ({"stream": 1}, "stream"),
        ({"stream_options": {"include_usage": True}}, None),
        ({"stream": True, "stream_options": {"what": 1}}, "stream_options.what"),
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"frequency_penalty": -2.5}, "frequency_penalty"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 1, "01": 2}}, "logit_bias"),
        ({"logit_bias": {"\u0661": 1}}, "logit_bias"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
        ({"model": 5}, "model"),
        ({"model": "a/b"}, "model"),
        ({"model": None}, "model"),
        ({"version": 1, "label": "a"}, "label"),
        ({"version": 0}, "version"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_is_out_of_bounds_is_named(fields: dict[str, Any], field: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        plan_of(**fields)
    assert caught.value.field == field


def test_a_conversation_becomes_a_prompt_by_the_template() -> None:
    messages = [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]},
        {"role": "assistant", "content": "Yes?", "name": "me", "refusal": None},
        {"role": "developer", "content": ""},
    ]
    (request,) = talk_of(messages=messages, max_tokens=9, max_completion_tokens=5, stop="x").sequences
    assert (
        request.prompt == "system:\nYou are kind.\nuser:\nHello\nassistant:\nYes?\ndeveloper:\n\nassistant:\n"
    )
    assert request.max_tokens == 5
    assert request.stop == ("x", "\ndeveloper:\n", "\nsystem:\n", "\nuser:\n", "\nassistant:\n")
    assert talk_of(max_tokens=9).sequences[0].max_tokens == 9
    assert talk_of().sequences[0].max_tokens == chat.UNBOUNDED
    assert talk_of().prompt_field == "messages"


@given(st.lists(st.tuples(st.sampled_from(template.ROLES), st.text(max_size=9)), min_size=1, max_size=5))
def test_the_template_keeps_every_message_in_order_and_ends_with_the_assistants_turn(
    messages: list[tuple[str, str]],
) -> None:
    prompt = template.prompt_of(messages)
    assert prompt.endswith("\nassistant:\n")
    assert prompt == "".join(f"{role}:\n{text}\n" for role, text in messages) + "assistant:\n"


def test_an_answers_message_may_be_sent_back() -> None:
    empty: dict[str, Any] = dict.fromkeys(("refusal", "audio", "function_call", "tool_calls", "annotations"))
    said = {"role": "assistant", "content": "Hello"}
    for more in ({}, empty, {"tool_calls": [], "annotations": []}):
        assert talk_of(messages=[{**said, **more}]) == talk_of(messages=[said])


def test_logprobs_of_a_chat_are_asked_for_by_two_fields() -> None:
    assert talk_of().sequences[0].sampling.logprobs is None
    assert talk_of(logprobs=True).sequences[0].sampling.logprobs == 0
    assert talk_of(logprobs=True, top_logprobs=20).sequences[0].sampling.logprobs == 20


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "assistant", "content": "a", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"best_of": 2}, "best_of"),
        ({"prompt": "x"}, "prompt"),
    ],
)
def test_what_no_conversation_has_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        talk_of(**fields)
    assert caught.value.field is not None
    assert caught.value.field.startswith(field)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    {*bodies.CompletionBody.model_fields, *bodies.ChatBody.model_fields, *bodies.EmbeddingBody.model_fields}
    | {*HARMLESS, "other"}
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), st.sampled_from([ASK, TALK]))
def test_whatever_json_comes_only_our_errors_come_out(fields: dict[str, Any], start: dict[str, Any]) -> None:
    body = json.dumps({**start, **fields}).encode()
    for decode in (completions.decode, chat.decode, lambda body: bodies.decode(body, bodies.EmbeddingBody)):
        with suppress(ServiceError):
            decode(body)


@given(st.binary(max_size=50))
def test_whatever_bytes_come_only_our_errors_come_out(body: bytes) -> None:
    for decode in (completions.decode, chat.decode):
        with pytest.raises(ServiceError):
            decode(body)

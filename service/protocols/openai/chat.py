"""Chat: from messages to a prompt by the plain template, and from chunks to documents.

Pure; knows the wire's fields and nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.domain import GenerateRequest, ModelId, TextChunk, TokenLogprob
from service.errors import Invalid
from service.protocols.openai import bodies, template
from service.protocols.openai.choices import Usage, Whole
from service.protocols.openai.head import Head, sayable
from service.protocols.openai.plan import Plan, sequences

KIND = "chat.completion"
CHUNK_KIND = "chat.completion.chunk"
UNBOUNDED = 2**31 - 1
"""More tokens than any model makes: its own limit holds."""


def decode(body: bytes) -> Plan:
    """Return what the body asks for; raises Invalid that names the field."""
    asked = bodies.decode(body, bodies.ChatBody)
    if asked.top_logprobs is not None and not asked.logprobs:
        raise Invalid("top_logprobs needs logprobs", field="top_logprobs")
    prompt = template.prompt_of((message.role, message.text()) for message in asked.messages)
    limit = asked.max_completion_tokens or asked.max_tokens or UNBOUNDED
    sampling = asked.sampling(asked.top_logprobs or 0 if asked.logprobs else None)
    request = GenerateRequest(
        prompt, limit, sampling, (*asked.stop, *template.STOPS), priority=asked.priority
    )
    return Plan(
        asked.ref(),
        sequences([request], asked.n),
        asked.n,
        asked.n,
        asked.stream,
        asked.include_usage(),
        prompt_field="messages",
    )


class ChatDocuments:
    """The documents of one answer, for the sequences of `plan`."""

    def __init__(self, head: Head, plan: Plan) -> None:
        self._head = head
        self._more: dict[str, Any] = {"usage": None} if plan.include_usage else {}
        self._made = plan.made
        self._with_logprobs = plan.sequences[0].sampling.logprobs is not None
        self._begun: set[int] = set()

    def pieces(self, index: int, chunk: TextChunk) -> list[dict[str, Any]]:
        """Return what a stream says of a chunk: the role first, the reason in the end by itself."""
        choices = []
        if index not in self._begun:
            self._begun.add(index)
            choices.append(self._delta(index, {"role": "assistant", "content": "", "refusal": None}))
        if chunk.text or chunk.logprobs:
            choices.append(self._delta(index, {"content": chunk.text}, chunk.logprobs))
        if chunk.finish_reason is not None:
            choices.append({**self._delta(index, {}), "finish_reason": chunk.finish_reason})
        return [self._head.document(CHUNK_KIND, chunk.model, [each], **self._more) for each in choices]

    def usage(self, model: ModelId, usage: Usage) -> dict[str, Any]:
        """Return what a stream says in the end."""
        return self._head.document(CHUNK_KIND, model, [], usage=usage.document())

    def whole(self, made: list[Whole]) -> dict[str, Any]:
        """Return the answer in one document."""
        usage = Usage(self._made)
        choices = []
        for index, each in enumerate(made):
            usage.add(index, each.last)
            choice = {
                "index": index,
                "message": {"role": "assistant", "content": each.text, "refusal": None},
                "logprobs": _logprobs(each.logprobs) if self._with_logprobs else None,
                "finish_reason": each.last.finish_reason,
            }
            choices.append(choice)
        return self._head.document(KIND, made[0].last.model, choices, usage=usage.document())

    def _delta(
        self, index: int, delta: dict[str, Any], logprobs: Sequence[TokenLogprob] = ()
    ) -> dict[str, Any]:
        told = _logprobs(logprobs) if self._with_logprobs and logprobs else None
        return {"index": index, "delta": delta, "logprobs": told, "finish_reason": None}


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    content = [
        {**_token(token.text, token.logprob), "top_logprobs": [_token(*other) for other in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _token(text: str, logprob: float | None) -> dict[str, Any]:
    """Return a token; what is not whole characters has no bytes to tell."""
    whole = "\ufffd" not in text
    return {
        "token": text,
        "logprob": sayable(logprob),
        "bytes": list(text.encode("utf-8", "backslashreplace")) if whole else None,
    }

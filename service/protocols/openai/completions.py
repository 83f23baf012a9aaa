"""Completions: from a body to sequences, and from chunks to documents.

Pure; knows the wire's fields and nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.domain import GenerateRequest, ModelId, TextChunk, TokenLogprob
from service.errors import Invalid
from service.protocols.openai import bodies
from service.protocols.openai.choices import Usage, Whole, best
from service.protocols.openai.head import Head, sayable
from service.protocols.openai.plan import MAX_SEQUENCES, Plan, sequences

KIND = "text_completion"


def decode(body: bytes) -> Plan:
    """Return what the body asks for; raises Invalid that names the field."""
    asked = bodies.decode(body, bodies.CompletionBody)
    tries = asked.n if asked.best_of is None else asked.best_of
    if tries < asked.n:
        raise Invalid(f"expected at least n, {asked.n}, got {tries}", field="best_of")
    if asked.stream and tries > asked.n:
        raise Invalid("the best of several is only known in the end: not with stream", field="best_of")
    sampling = replace(asked.sampling(asked.logprobs), ranked=tries > asked.n)
    stops = tuple(asked.stop)
    requests = [
        GenerateRequest(prompt, asked.max_tokens, sampling, stops, asked.echo, asked.priority)
        for prompt in prompts(asked.prompt)
    ]
    return Plan(asked.ref(), sequences(requests, tries), tries, asked.n, asked.stream, asked.include_usage())


def prompts(value: object) -> tuple[str | tuple[int, ...], ...]:
    """Return the prompts that `value` is: a text, texts, token ids, or lists of token ids; raises Invalid."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value:
        if _are_ids(value):
            return (tuple(value),)
        if len(value) > MAX_SEQUENCES:
            raise Invalid(f"expected at most {MAX_SEQUENCES} prompts, got {len(value)}", field="prompt")
        if all(isinstance(item, str) for item in value):
            return tuple(value)
        if all(isinstance(item, list) and item and _are_ids(item) for item in value):
            return tuple(tuple(item) for item in value)
    raise Invalid(
        "expected a string, a list of strings, a list of token ids, or a list of such lists", field="prompt"
    )


def _are_ids(values: list[Any]) -> bool:
    return all(type(value) is int for value in values)


class CompletionDocuments:
    """The documents of one answer, for the sequences of `plan`."""

    def __init__(self, head: Head, plan: Plan) -> None:
        self._head = head
        self._plan = plan
        self._more: dict[str, Any] = {"usage": None} if plan.include_usage else {}
        self._logprobs = plan.sequences[0].sampling.logprobs

    def pieces(self, index: int, chunk: TextChunk) -> list[dict[str, Any]]:
        """Return what a stream says of a chunk."""
        choice = self._choice(index, chunk.text, chunk.logprobs, chunk.finish_reason)
        return [self._head.document(KIND, chunk.model, [choice], **self._more)]

    def usage(self, model: ModelId, usage: Usage) -> dict[str, Any]:
        """Return what a stream says in the end."""
        return self._head.document(KIND, model, [], usage=usage.document())

    def whole(self, made: list[Whole]) -> dict[str, Any]:
        """Return the answer in one document."""
        usage = Usage(self._plan.made)
        for index, each in enumerate(made):
            usage.add(index, each.last)
        choices = [
            self._choice(index, each.text, each.logprobs, each.last.finish_reason)
            for index, each in enumerate(best(made, self._plan.made, self._plan.told))
        ]
        return self._head.document(KIND, made[0].last.model, choices, usage=usage.document())

    def _choice(
        self, index: int, text: str, logprobs: Sequence[TokenLogprob], reason: str | None
    ) -> dict[str, Any]:
        told = None if self._logprobs is None else _logprobs(logprobs, self._logprobs)
        return {"text": text, "index": index, "logprobs": told, "finish_reason": reason}


def _logprobs(tokens: Sequence[TokenLogprob], count: int) -> dict[str, Any]:
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [sayable(token.logprob) for token in tokens],
        "top_logprobs": [_top(token) for token in tokens] if count else None,
        "text_offset": [token.offset for token in tokens],
    }


def _top(token: TokenLogprob) -> dict[str, float | None] | None:
    """Return the most probable tokens, and the chosen one even if it is not among them; None for the very first."""
    if token.logprob is None:
        return None
    found: dict[str, float | None] = {}
    for text, logprob in (*token.top, (token.text, token.logprob)):
        found.setdefault(text, sayable(logprob))
    return found

"""What the OpenAPI document says of OpenAI's routes: bodies as they are validated, answers, errors.

Pure. Knows the wire's fields; knows no model.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from service.protocols import openapi
from service.protocols.openai.bodies import ChatBody, CompletionBody, EmbeddingBody
from service.protocols.openai.fields import IGNORED
from service.protocols.openapi import TEXT, Part, Schema, list_of, object_of, ref

PREFIX = "OpenAI"
_COUNT: Schema = {"type": "integer", "minimum": 0}
_REASON: Schema = {"enum": ["stop", "length", None]}
_ERROR = object_of(
    {
        "error": object_of(
            {
                "message": TEXT,
                "type": TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            }
        )
    }
)
_USAGE = object_of({"prompt_tokens": _COUNT, "total_tokens": _COUNT}, {"completion_tokens": _COUNT})
_LOGPROBS: Schema = {"type": ["object", "null"]}
_GREEDY = {"max_tokens": 40, "temperature": 0}


def part() -> Part:
    """Return the part of the document that is about this wire."""
    _, defined = models_json_schema(
        [(CompletionBody, "validation"), (ChatBody, "validation"), (EmbeddingBody, "validation")],
        ref_template=f"#/components/schemas/{PREFIX}{{model}}",
    )
    schemas: dict[str, Schema] = {f"{PREFIX}{name}": each for name, each in defined["$defs"].items()}
    for form in (CompletionBody, ChatBody, EmbeddingBody):
        schemas[f"{PREFIX}{form.__name__}"]["properties"].update(_ignored())
    schemas[f"{PREFIX}Error"] = _ERROR
    completion = {"prompt": "The value of ", **_GREEDY}
    chat = {"messages": [{"role": "user", "content": "What is a list?"}], **_GREEDY}
    return Part(
        {
            "/v1/completions": _generation(
                "The continuation of prompts, whole or as it is made.",
                "CompletionBody",
                completion,
                _choice({"text": TEXT, "logprobs": _LOGPROBS}, "text_completion"),
            ),
            "/v1/chat/completions": _generation(
                "The next message of a conversation, whole or as it is made.",
                "ChatBody",
                chat,
                _choice({"message": object_of({"role": TEXT, "content": TEXT})}, "chat.completion"),
            ),
            "/v1/embeddings": _operation(
                "Texts or token ids as vectors, for models with an embedding signature.",
                "EmbeddingBody",
                {"one": {"model": "embedder", "input": "a text"}},
                {"200": openapi.answer("The embeddings.", _embeddings())},
            ),
        },
        schemas,
    )


def _ignored() -> dict[str, Schema]:
    return {name: {"description": "Accepted, and changes nothing."} for name in sorted(IGNORED)}


def _operation(
    summary: str, form: str, examples: dict[str, Any], answers: dict[str, Schema]
) -> dict[str, Any]:
    operation = {
        "tags": ["OpenAI"],
        "summary": summary,
        "requestBody": openapi.body(ref(f"{PREFIX}{form}"), examples),
        "responses": {**answers, **openapi.failures(ref(f"{PREFIX}Error"))},
    }
    return {"post": operation}


def _generation(summary: str, form: str, example: dict[str, Any], answer: Schema) -> dict[str, Any]:
    whole = openapi.answer("The answer, or with `stream` server-sent events.", answer)
    whole["content"] |= openapi.event_stream('data: {"id":"cmpl-1","choices":[]}\n\ndata: [DONE]\n\n')
    named = {"model": "prose-lstm", **example}
    examples = {"whole": named, "streamed": {**named, "stream": True}}
    return _operation(summary, form, examples, {"200": whole})


def _choice(content: dict[str, Schema], kind: str) -> Schema:
    choice = object_of({"index": _COUNT, "finish_reason": _REASON, **content})
    return object_of(
        {
            "id": TEXT,
            "object": {"const": kind},
            "created": _COUNT,
            "model": TEXT,
            "choices": list_of(choice),
            "usage": _USAGE,
        }
    )


def _embeddings() -> Schema:
    embedding: Schema = {"anyOf": [list_of({"type": "number"}), TEXT]}
    each = object_of({"object": {"const": "embedding"}, "index": _COUNT, "embedding": embedding})
    return object_of({"object": {"const": "list"}, "data": list_of(each), "model": TEXT, "usage": _USAGE})

"""Texts over every wire that takes them: translations, and continuations whole and streamed.

Knows the public wires by their messages; knows nothing of how they are sent or served. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from loadtests.traffic.catalogue import Model
from loadtests.traffic.checks import Answer
from loadtests.traffic.questions import GRPC, REST, BadAnswerError, Message
from pb import tasks_pb2

DONE = b"[DONE]"
"""The data of the event that ends a stream, on the wires that have one."""


@dataclass(frozen=True, slots=True)
class TextWire:
    """How a text is asked for, greedily and with at most so many tokens, and read from an answer or a piece."""

    name: str
    transport: str
    encode: Callable[[Model, str, int], Message]
    decode: Callable[[bytes], Answer]
    streamed: bool = False


def _ask_json(path: str, stream: bool = False) -> Callable[[Model, str, int], Message]:
    def encode(model: Model, text: str, tokens: int) -> Message:
        body = {"model": model.name, "prompt": text, "max_tokens": tokens, "temperature": 0}
        return Message(path, orjson.dumps(body | {"stream": True} if stream else body))

    return encode


def _ask_oip(action: str) -> Callable[[Model, str, int], Message]:
    def encode(model: Model, text: str, tokens: int) -> Message:
        body = {"text_input": text, "max_tokens": tokens, "temperature": 0}
        return Message(f"/v2/models/{model.name}/{action}", orjson.dumps(body))

    return encode


def _ask_generate(method: str) -> Callable[[Model, str, int], Message]:
    def encode(model: Model, text: str, tokens: int) -> Message:
        ref = tasks_pb2.ModelRef(name=model.name)
        request = tasks_pb2.GenerateRequest(model=ref, prompt=text, max_tokens=tokens, temperature=0)
        return Message(f"/sluice.v1.Inference/{method}", bytes(request.SerializeToString()))

    return encode


def _ask_translate(model: Model, text: str, tokens: int) -> Message:
    body = {"model": model.name, "text": text, "max_tokens": tokens}
    return Message("/v1/translate", orjson.dumps(body))


def _ask_translate_message(model: Model, text: str, tokens: int) -> Message:
    ref = tasks_pb2.ModelRef(name=model.name)
    request = tasks_pb2.TranslateRequest(model=ref, texts=[text], max_tokens=tokens)
    return Message("/sluice.v1.Inference/Translate", bytes(request.SerializeToString()))


def _text_at(*steps: str | int) -> Callable[[bytes], Answer]:
    def decode(body: bytes) -> Answer:
        if body == DONE:
            return {"text": ""}
        found: Any = orjson.loads(body)
        if "error" in found:
            raise BadAnswerError("an error in the stream")
        for step in steps:
            found = found[step]
        return {"text": str(found)}

    return decode


def _read_generate(body: bytes) -> Answer:
    return {"text": str(tasks_pb2.GenerateReply.FromString(body).text)}


def _read_chunk(body: bytes) -> Answer:
    return {"text": str(tasks_pb2.TextChunk.FromString(body).text)}


def _read_translate(body: bytes) -> Answer:
    return {"text": str(tasks_pb2.TranslateReply.FromString(body).translations[0].text)}


_COMPLETION = _text_at("choices", 0, "text")
WIRES = {
    "generate": (
        TextWire("tasks-rest", REST, _ask_json("/v1/generate"), _text_at("text")),
        TextWire("tasks-rest-stream", REST, _ask_json("/v1/generate", True), _text_at("text"), True),
        TextWire("tasks-grpc", GRPC, _ask_generate("Generate"), _read_generate),
        TextWire("tasks-grpc-stream", GRPC, _ask_generate("GenerateStream"), _read_chunk, True),
        TextWire("openai", REST, _ask_json("/v1/completions"), _COMPLETION),
        TextWire("openai-stream", REST, _ask_json("/v1/completions", True), _COMPLETION, True),
        TextWire("oip-text", REST, _ask_oip("generate"), _text_at("text_output")),
        TextWire("oip-text-stream", REST, _ask_oip("generate_stream"), _text_at("text_output"), True),
    ),
    "translate": (
        TextWire("tasks-rest", REST, _ask_translate, _text_at("translations", 0, "text")),
        TextWire("tasks-grpc", GRPC, _ask_translate_message, _read_translate),
    ),
}

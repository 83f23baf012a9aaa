"""What the OpenAPI document says of the Open Inference Protocol's routes, and of Triton's beside them.

Pure. Knows the wire's fields; knows no model.
"""

from __future__ import annotations

from typing import Any

from service.protocols import openapi
from service.protocols.oip.datatypes import OF_DTYPE
from service.protocols.openapi import NAME, TEXT, VERSION, WHATEVER, Part, Schema, list_of, object_of, ref

MODEL = "/v2/models/{name}"
PLACES = ("", "/versions/{version}")

_PARAMETERS = {"name": NAME, "version": VERSION}
_VALUES: Schema = {
    "type": "object",
    "additionalProperties": {"anyOf": [TEXT, {"type": "number"}, {"type": "boolean"}]},
}
_FLAG: Schema = {"type": "boolean"}
_DATATYPE: Schema = {"enum": sorted(set(OF_DTYPE.values()))}
_INPUT = object_of(
    {
        "name": TEXT,
        "shape": {**list_of({"type": "integer", "minimum": 0}), "maxItems": 8},
        "datatype": _DATATYPE,
    },
    {"parameters": _VALUES, "data": {"type": "array", "description": "Nested, or flat in C order."}},
)
_OUTPUT = object_of({"name": TEXT}, {"parameters": _VALUES})
_SPEC = object_of({"name": TEXT, "datatype": TEXT, "shape": list_of({"type": "integer"})})
_SCHEMAS: dict[str, Schema] = {
    "OIPError": object_of({"error": TEXT}),
    "OIPServer": object_of({"name": TEXT, "version": TEXT, "extensions": list_of(TEXT)}),
    "OIPModel": object_of(
        {
            "name": TEXT,
            "versions": list_of(TEXT),
            "platform": TEXT,
            "inputs": list_of(_SPEC),
            "outputs": list_of(_SPEC),
        }
    ),
    "OIPInferBody": object_of(
        {"inputs": {**list_of(_INPUT), "minItems": 1}},
        {"id": TEXT, "parameters": _VALUES, "outputs": list_of(_OUTPUT)},
    ),
    "OIPInferReply": object_of(
        {"model_name": TEXT, "model_version": TEXT, "outputs": list_of(_SPEC)}, {"id": TEXT}
    ),
    "OIPGenerateBody": object_of(
        {"text_input": TEXT},
        {
            "id": TEXT,
            "max_tokens": {"type": "integer", "minimum": 1},
            "temperature": {"type": "number", "minimum": 0},
            "top_k": {"type": "integer", "minimum": 0},
            "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "seed": {"type": "integer", "minimum": 0},
            "stop": {"anyOf": [TEXT, list_of(TEXT)]},
            "parameters": _VALUES,
        },
    ),
    "OIPGenerateReply": object_of(
        {"model_name": TEXT, "model_version": TEXT, "text_output": TEXT}, {"id": TEXT, "finish_reason": TEXT}
    ),
    "OIPStatistics": object_of({"model_stats": list_of({"type": "object"})}),
    "OIPIndex": list_of(object_of({"name": TEXT, "version": TEXT, "state": TEXT}, {"reason": TEXT})),
    "OIPRegions": list_of(
        object_of(
            {"name": TEXT, "key": TEXT, "offset": {"type": "integer"}, "byte_size": {"type": "integer"}}
        )
    ),
    "OIPRegionBody": object_of(
        {"key": TEXT, "byte_size": {"type": "integer", "minimum": 1}},
        {"offset": {"type": "integer", "minimum": 0}},
    ),
}
_INFER = {
    "inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [0.1, 0.2]}],
    "outputs": [{"name": "score"}],
}
_TEXT_INPUT = {"text_input": "The value of ", "max_tokens": 40, "temperature": 0}


def part() -> Part:
    """Return the part of the document that is about this wire."""
    paths: dict[str, dict[str, Any]] = {
        "/v2": {"get": _operation("What the server is.", ref("OIPServer"))},
        "/v2/health/live": {"get": _operation("Whether it lives.", object_of({"live": _FLAG}))},
        "/v2/health/ready": {"get": _ready("Whether it is ready.", object_of({"ready": _FLAG}))},
        "/v2/models/stats": {"get": _operation("What was counted.", ref("OIPStatistics"))},
        "/v2/repository/index": {"post": _index()},
        "/v2/trace/setting": _settings("/v2/trace/setting", "What is traced: nothing."),
        "/v2/logging": _settings("/v2/logging", "What is logged."),
        f"{MODEL}/trace/setting": _settings(f"{MODEL}/trace/setting", "What is traced: nothing."),
    }
    for verb in ("load", "unload"):
        path = f"/v2/repository/models/{{name}}/{verb}"
        paths[path] = {
            "post": _operation("Change what is served, where that is switched on.", WHATEVER, path)
        }
    for kind in ("system", "cuda"):
        paths |= _of_shared_memory(f"/v2/{kind}sharedmemory")
    for place in PLACES:
        paths |= _of_model(MODEL + place)
    return Part(paths, _SCHEMAS)


def _of_model(where: str) -> dict[str, dict[str, Any]]:
    infer = _operation("Tensors in, tensors out.", ref("OIPInferReply"), where)
    infer["requestBody"] = openapi.body(ref("OIPInferBody"), {"numbers": _INFER})
    infer["responses"]["200"]["content"]["application/octet-stream"] = {}  # binary tensors behind the JSON
    generate = _operation("The continuation of a text.", ref("OIPGenerateReply"), where)
    generate["requestBody"] = openapi.body(ref("OIPGenerateBody"), {"greedy": _TEXT_INPUT})
    stream = {**generate, "responses": {**generate["responses"]}}
    content = openapi.event_stream('data: {"text_output":"cat"}\n\n')
    stream["responses"]["200"] = {"description": "The continuation as it is made.", "content": content}
    ready = object_of({"name": TEXT, "ready": _FLAG})
    return {
        where: {"get": _operation("What the model takes and gives.", ref("OIPModel"), where)},
        f"{where}/ready": {"get": _ready("Whether the model answers.", ready, where)},
        f"{where}/config": {"get": _operation("How it is served.", object_of({"name": TEXT}), where)},
        f"{where}/stats": {"get": _operation("What was counted.", ref("OIPStatistics"), where)},
        f"{where}/infer": {"post": infer},
        f"{where}/generate": {"post": generate},
        f"{where}/generate_stream": {"post": stream},
    }


def _of_shared_memory(where: str) -> dict[str, dict[str, Any]]:
    one = f"{where}/region/{{name}}"
    register = _silent("Register a region, unless shared memory is off.", one)
    example = {"key": "/sluice_input", "offset": 0, "byte_size": 64}
    register["requestBody"] = openapi.body(ref("OIPRegionBody"), {"whole": example})
    return {
        f"{where}/status": {"get": _operation("The regions that are registered.", ref("OIPRegions"))},
        f"{where}/unregister": {"post": _silent("Forget all regions.", where)},
        f"{one}/status": {"get": _operation("One region.", ref("OIPRegions"), one)},
        f"{one}/register": {"post": register},
        f"{one}/unregister": {"post": _silent("Forget a region.", one)},
    }


def _silent(summary: str, path: str) -> Schema:
    """Return an operation whose answer has no body."""
    operation = _operation(summary, WHATEVER, path)
    operation["responses"]["200"] = {"description": summary}
    return operation


def _operation(summary: str, reply: Schema, path: str = "") -> Schema:
    return {
        "tags": ["Open Inference Protocol"],
        "summary": summary,
        "parameters": openapi.path_parameters(path, _PARAMETERS),
        "responses": {"200": openapi.answer(summary, reply), **openapi.failures(ref("OIPError"))},
    }


def _ready(summary: str, reply: Schema, path: str = "") -> Schema:
    """Return an operation whose 400 says that the answer is no."""
    operation = _operation(summary, reply, path)
    operation["responses"]["400"] = openapi.answer("It is not.", {"anyOf": [reply, ref("OIPError")]})
    return operation


def _index() -> Schema:
    operation = _operation("Every version on disk, and where it stands.", ref("OIPIndex"))
    body = openapi.body({"type": "object", "properties": {"ready": _FLAG}}, {"all": {}}, required=False)
    return {**operation, "requestBody": body}


def _settings(path: str, summary: str) -> dict[str, Any]:
    read = _operation(summary, {"type": "object"}, path)
    body = openapi.body({"type": "object"}, {"nothing": {}}, required=False)
    return {
        "get": read,
        "post": {**read, "summary": "Refused unless it changes nothing.", "requestBody": body},
    }

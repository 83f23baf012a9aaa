"""What the API document says beyond the schemas of bodies and replies.

Knows nothing but values.
"""

from __future__ import annotations

from typing import Any

from service.domain import NAME_PATTERN
from service.protocols.tasks import examples
from service.protocols.tasks.replies import ErrorReply

DESCRIPTION = """Models for five words: **classify**, **generate**, **translate**, **score** and **predict**.

* A request names its model by `model` and, if it wants, `version` or `label`; with one model for a word it may
  leave them out. Every answer names the model and version that answered.
* `x-request-timeout-ms` says how long you wait: an answer that would come later is not made (504).
  `x-request-id` (letters, digits, `.`, `_`, `-`; at most 128) names your request; it comes back in the
  answer, and in errors. Without one the answer has a new one.
* Answers tell how they came about: `x-sluice-queue-us` microseconds waited, `x-sluice-batch-rows` rows of all
  callers in one run, `x-sluice-reason` why it was run then.
* Errors have one body, `{"error": {"code", "message", "field", "request_id"}}`. 400 INVALID: the request is
  wrong, and `field` says where. 404 NOT_FOUND: no such model, version, label or signature. 413 TOO_LARGE.
  429 OVERLOADED and 503 UNAVAILABLE: come back after `Retry-After` seconds. 501 UNSUPPORTED: this model cannot
  do that. 504 TIMED_OUT. 500 INTERNAL: our fault.
* JSON is read strictly: UTF-8, one object, no unknown or duplicate keys, no NaN.
* All of this is said of `words` and `models`. Routes under other tags are other servers' wires on this port, with
  their own bodies, statuses and errors; timeouts and request ids are the same.
"""

RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorReply, "description": "The request is wrong, or came at a bad time."},
    "5XX": {"model": ErrorReply, "description": "It could not be answered, or not in time."},
}

STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The continuation, or with `stream` server-sent events.",
        "content": {
            "text/event-stream": {
                # Each event; `schema` would be read as that of all of them in one list (OpenAPI 3.2).
                "itemSchema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "data": {
                            "type": "string",
                            "description": "A piece of the text as JSON, an error as JSON, or at the end `[DONE]`.",
                        }
                    },
                },
                "example": 'data: {"model":{"name":"prose-lstm","version":1},"text":"cat"}\n\ndata: [DONE]\n\n',
            }
        },
    }
}

_NAME = {"type": "string", "pattern": NAME_PATTERN}
_TENSORS = {
    "type": "object",
    "additionalProperties": {"description": "Nested lists in C order, or a bare value for shape []."},
}

PREDICT_DOCUMENT: dict[str, Any] = {
    "description": "Inputs and outputs, with their names, types and shapes, are in `GET /v1/models/{name}`. "
    "Outputs are nested lists; what is not a finite number is null.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "title": "PredictBody",
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["inputs"],
                    "properties": {
                        "model": _NAME,
                        "version": {"type": "integer", "minimum": 1},
                        "label": _NAME,
                        "signature": {
                            "type": "string",
                            "description": "The model's default signature if not given.",
                        },
                        "inputs": _TENSORS,
                        "outputs": {
                            "type": "array",
                            "items": {"type": "string"},
                            "uniqueItems": True,
                            "description": "Which outputs come back; all if not given.",
                        },
                    },
                },
                "examples": examples.PREDICT,
            }
        },
    },
    "responses": {
        "200": {
            "description": "The outputs.",
            "content": {
                "application/json": {
                    "schema": {
                        "title": "PredictReply",
                        "type": "object",
                        "required": ["model", "signature", "outputs"],
                        "properties": {
                            "model": {"$ref": "#/components/schemas/ModelReply"},
                            "signature": {"type": "string"},
                            "outputs": _TENSORS,
                        },
                    }
                }
            },
        }
    },
}

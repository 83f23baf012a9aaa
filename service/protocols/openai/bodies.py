"""What a caller may send over OpenAI's wire: names, types, bounds and defaults.

Knows the shapes of requests; knows no HTTP and no model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from service.domain import HIGHEST_PRIORITY, LOWEST_PRIORITY, NAME_PATTERN, ModelRef, Sampling
from service.errors import Invalid
from service.protocols import strict_json
from service.protocols.openai.fields import screened

MAX_STOPS = 4
MAX_BIASES = 1024
MAX_INPUTS = 2048
MAX_MESSAGES = 4096
LEAST_TOP_P = 1e-9
"""What `top_p` 0 means: the most probable token alone."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Name = Annotated[str, Field(strict=True, pattern=NAME_PATTERN)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Penalty = Annotated[Number, Field(ge=-2, le=2)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31)]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _either(*schemas: dict[str, Any]) -> WithJsonSchema:
    """Tell in the document what is taken beside what the type says."""
    return WithJsonSchema({"anyOf": list(schemas)})


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_LISTS = {"type": "array", "items": _IDS, "minItems": 1}
TextsOrIds = Annotated[Any, _either(_TEXT, _TEXTS, _IDS, _LISTS)]
Stops = Annotated[
    list[Text],
    BeforeValidator(_one_or_many),
    Field(max_length=MAX_STOPS),
    _either(_TEXT, {**_TEXTS, "minItems": 0, "maxItems": MAX_STOPS}),
]
Nothing = Annotated[list[Any], Field(max_length=0)] | None


class Body(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelBody(Body):
    """Which model is meant; `version` and `label` are ours."""

    model: Name
    version: Annotated[int, Field(strict=True, ge=1, lt=2**63)] | None = None
    label: Name | None = None

    def ref(self) -> ModelRef:
        """Return the model that is meant; raises Invalid if both version and label are given."""
        if self.version is not None and self.label is not None:
            raise Invalid("expected a version or a label, not both", field="label")
        return ModelRef(self.model, self.version, self.label)


class StreamOptions(Body):
    """What a stream also tells; obfuscation is accepted and not made."""

    include_usage: Flag = False
    include_obfuscation: Flag = False


class GenerationBody(ModelBody):
    """What completions and chat have in common; `top_k`, `min_p`, `repetition_penalty` and `priority` are ours (and
    vLLM's).
    """

    temperature: Annotated[Number, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[Number, Field(ge=0, le=1)] = 1.0
    top_k: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0
    min_p: Annotated[Number, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[Number, Field(gt=0, le=10)] = 1.0
    priority: Annotated[int, Field(strict=True, ge=HIGHEST_PRIORITY, le=LOWEST_PRIORITY)] = 0
    n: Annotated[int, Field(strict=True, ge=1, le=128)] = 1
    seed: Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | None = None
    stop: Stops = []
    stream: Flag = False
    stream_options: StreamOptions | None = None
    frequency_penalty: Penalty = 0.0
    presence_penalty: Penalty = 0.0
    logit_bias: Annotated[dict[str, Number], Field(max_length=MAX_BIASES)] = {}

    @model_validator(mode="after")
    def _options_belong_to_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed with stream")
        return self

    def sampling(self, logprobs: int | None) -> Sampling:
        """Return how tokens are chosen; the seed is that of the first sequence."""
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=max(self.top_p, LEAST_TOP_P),
            seed=None if self.seed is None else self.seed % 2**64,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=_biases(self.logit_bias),
            logprobs=logprobs,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
        )

    def include_usage(self) -> bool:
        """Say whether a stream ends with the counts."""
        return self.stream_options is not None and self.stream_options.include_usage


def _biases(given: dict[str, float]) -> tuple[tuple[int, float], ...]:
    biases: dict[int, float] = {}
    for name, bias in given.items():
        if not (name.isascii() and name.isdigit() and len(name) <= 10):
            raise Invalid("expected token ids as names", field="logit_bias")
        if int(name) in biases:
            raise Invalid(f"token {int(name)} is there twice", field="logit_bias")
        biases[int(name)] = bias
    return tuple(biases.items())


class CompletionBody(GenerationBody):
    """A prompt or several; what they may be is decided in `completions`.

    `max_tokens` 0 is for `echo`. No prompt at all is the empty one: some models start by themselves.
    """

    prompt: TextsOrIds = ""
    max_tokens: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 16
    best_of: Annotated[int, Field(strict=True, ge=1, le=20)] | None = None
    echo: Flag = False
    logprobs: Annotated[int, Field(strict=True, ge=0, le=5)] | None = None


class TextPart(Body):
    """A piece of a message's text."""

    type: Literal["text"]
    text: Text


_PARTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "text"],
        "additionalProperties": False,
        "properties": {"type": {"const": "text"}, "text": _TEXT},
    },
}


def _parts(value: object) -> object:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


class Message(Body):
    """One message; `name`, and what an answer of ours leaves empty, are accepted and left out of the prompt.

    Clients send an answer's message back as a part of the next conversation.
    """

    role: Literal["developer", "system", "user", "assistant"]
    content: Annotated[list[TextPart], BeforeValidator(_parts), _either(_TEXT, _PARTS)]
    name: Text | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing = None
    annotations: Nothing = None

    def text(self) -> str:
        """Return what the message says."""
        return "".join(part.text for part in self.content)


class ChatBody(GenerationBody):
    """A conversation to go on with."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: Flag = False
    top_logprobs: Annotated[int, Field(strict=True, ge=0, le=20)] | None = None


class EmbeddingBody(ModelBody):
    """Texts or token ids to embed; what they may be is decided in `embeddings`."""

    input: TextsOrIds
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None


B = TypeVar("B", bound=Body)


def decode(body: bytes, form: type[B]) -> B:
    """Return what `body` says; raises Invalid, naming the field, if it cannot be a `form`."""
    try:
        return form.model_validate(screened(strict_json.loads(body)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = _path(first["loc"])
        raise Invalid(_message(first["type"], first["msg"]), field=field) from error


def _message(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no field of that name is known"
    return message.removeprefix("Value error, ")


def _path(parts: tuple[int | str, ...]) -> str | None:
    """Return the path as it would be written in code: `messages[0].content`; None for the body as a whole."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".") or None

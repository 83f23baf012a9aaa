"""What a caller may send for each word, on either wire: names, types, bounds and defaults.

Knows the shapes of requests and turns them into the shared nouns; knows neither HTTP nor gRPC, and no model.
"""

from __future__ import annotations

import binascii
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
    ValidationError,
)

from service.domain import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    NAME_PATTERN,
    ClassifyRequest,
    GenerateRequest,
    ModelRef,
    Sampling,
    ScoreRequest,
    TranslateRequest,
)
from service.errors import Invalid

MAX_STOPS = 16
MAX_TEXTS = 1024
MAX_ROWS = 8192
MAX_NAMES = 65536
_BRANCH = "~"
"""Begins the tags that tell a field's alternatives apart: they are no part of a field's path."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Text = Annotated[str, Field(strict=True)]


def _form_of(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return "~list"
    return "~object" if isinstance(value, dict) else None


class _StopAtFirst(FailFast):
    """Report one bad item, not millions; hashable, as the members of a union must be."""

    __hash__ = object.__hash__


def _few_names(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_NAMES:
        raise ValueError(f"expected at most {MAX_NAMES} names")
    return value


Features = Annotated[
    Annotated[list[Number], _StopAtFirst(), Tag("~list")] | Annotated[dict[str, Number], Tag("~object")],
    Discriminator(
        _form_of,
        custom_error_type="features",
        custom_error_message="expected a list of numbers or an object from names to numbers",
    ),
    BeforeValidator(_few_names),
]


def _bytes(value: object) -> object:
    """Return what base64 stands for; bytes, as another wire brings them, stay as they are."""
    if not isinstance(value, str):
        return value
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise ValueError("expected plain base64 with padding and without line breaks") from error


def _one_or_many_texts(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_or_many_rows(value: object) -> object:
    """Return rows; an object, or a list that begins with a number, is a single one."""
    if isinstance(value, dict):
        return [value]
    single = isinstance(value, list) and value and isinstance(value[0], int | float)
    return [value] if single else value


Image = Annotated[bytes, BeforeValidator(_bytes, json_schema_input_type=Text), Field(min_length=1)]
Texts = Annotated[
    list[Text],
    _StopAtFirst(),
    BeforeValidator(_one_or_many_texts, json_schema_input_type=str | list[str]),
]
Rows = Annotated[
    list[Features],
    _StopAtFirst(),
    BeforeValidator(_one_or_many_rows, json_schema_input_type=Features | list[Features]),
]


class ModelBody(BaseModel):
    """Which model is meant. Without a name: the only one for the task."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: Name | None = Field(None, description="Name of the model; may be left out if it is the only one.")
    version: Annotated[int, Field(strict=True, ge=1, lt=2**63)] | None = Field(
        None, description="Its version; the one served by default if neither version nor label is given."
    )
    label: Name | None = Field(None, description="A label that stands for a version.")

    def ref(self) -> ModelRef:
        """Return the model that is meant; raises Invalid if both version and label are given."""
        return one_version(ModelRef(self.model, self.version, self.label))


class ClassifyBody(ModelBody):
    """Exactly one of `image`, `pixels`, `text` and `features`."""

    FORMS: ClassVar[tuple[str, ...]] = ("image", "pixels", "text", "features")

    image: Image | None = Field(None, description="A PNG or JPEG file in base64.")
    pixels: Any | None = Field(
        None,
        description="[height, width] or [height, width, channels], 0 to 255 unless `scaled`.",
        json_schema_extra={"type": "array", "items": {}},
    )
    scaled: Annotated[bool, Field(strict=True)] = Field(
        False, description="The pixels are already as the model takes them."
    )
    text: Text | None = Field(None, description="For models that take text.")
    features: Features | None = Field(None, description="For models that take a row of numbers.")
    top_k: Count = Field(5, description="How many labels come back, the best first.")

    def to_request(self) -> ClassifyRequest:
        """Return the request; raises Invalid unless exactly one form of input is given."""
        given = [name for name in self.FORMS if getattr(self, name) is not None]
        if len(given) != 1:
            field = given[1] if given else "image"
            raise Invalid(f"expected exactly one of {', '.join(self.FORMS)}", field=field)
        return ClassifyRequest(
            image=self.image,
            pixels=self.pixels,
            scaled=self.scaled,
            text=self.text,
            features=self.features,
            top_k=self.top_k,
        )


Priority = Annotated[
    int,
    Field(
        strict=True,
        ge=HIGHEST_PRIORITY,
        le=LOWEST_PRIORITY,
        description="Lower ones come first where requests wait for one another; waiting makes up for it.",
    ),
]


class GenerateBody(ModelBody):
    """A prompt, and how to continue it."""

    prompt: Text = Field(description="The text to continue.")
    max_tokens: Count = Field(128, description="At most so many tokens.")
    temperature: Annotated[Number, Field(ge=0, le=100)] = Field(1.0, description="0 is greedy.")
    top_k: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = Field(
        0, description="Sample among so many best tokens; 0 means all."
    )
    top_p: Annotated[Number, Field(gt=0, le=1)] = Field(
        1.0, description="Sample among the best tokens that together have this probability."
    )
    min_p: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.0, description="Sample among the tokens that are at least so many times as probable as the best."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = Field(
        None, description="The same request with the same seed gives the same text."
    )
    repetition_penalty: Annotated[Number, Field(gt=0, le=10)] = Field(
        1.0, description="Above 1, tokens of the prompt and of the answer become less probable."
    )
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] = Field(
        0.0, description="Taken from the logit of each token that was generated before."
    )
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] = Field(
        0.0, description="Taken from it for each time that it was."
    )
    priority: Priority = 0
    stop: Annotated[Texts, Field(max_length=MAX_STOPS)] = Field(
        [], description="The text ends before the first of these."
    )

    def to_request(self) -> GenerateRequest:
        """Return the request."""
        return GenerateRequest(
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            sampling=Sampling(
                self.temperature,
                self.top_k,
                self.top_p,
                self.seed,
                self.presence_penalty,
                self.frequency_penalty,
                min_p=self.min_p,
                repetition_penalty=self.repetition_penalty,
            ),
            stop=tuple(self.stop),
            priority=self.priority,
        )


class GenerateJsonBody(GenerateBody):
    """A prompt, how to continue it, and whether the text comes as it is made."""

    stream: Annotated[bool, Field(strict=True)] = Field(
        False, description="Answer with server-sent events, one for each piece of text, then `[DONE]`."
    )


class TranslateBody(ModelBody):
    """Texts to translate, each by itself: `texts`, or `text` for a single one."""

    texts: Annotated[Texts, Field(min_length=1, max_length=MAX_TEXTS)] | None = Field(
        None, description="One text or a list of them."
    )
    text: Text | None = Field(None, description="A single text, in place of `texts`.")
    beams: Annotated[int, Field(strict=True, ge=1, le=1024)] = Field(1, description="1 is greedy.")
    length_penalty: Annotated[Number, Field(ge=-10, le=10)] = Field(
        0.6, description="Larger values favour longer translations; only beams are ranked by it."
    )
    max_tokens: Count | None = Field(
        None, description="At most so many tokens; the model's own limit if not set."
    )
    priority: Priority = 0

    def to_request(self) -> TranslateRequest:
        """Return the request; raises Invalid unless exactly one of `texts` and `text` is given."""
        if (self.texts is None) is (self.text is None):
            raise Invalid("expected exactly one of texts, text", field="texts")
        texts = self.texts if self.text is None else [self.text]
        return TranslateRequest(
            texts=tuple(texts or ()),
            beams=self.beams,
            length_penalty=self.length_penalty,
            max_tokens=self.max_tokens,
            priority=self.priority,
        )


class ScoreBody(ModelBody):
    """Rows to score."""

    rows: Annotated[Rows, Field(min_length=1, max_length=MAX_ROWS)] = Field(
        description="Rows, each a list of numbers or an object from names to numbers; or a single row."
    )
    top_features: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = Field(
        5, description="How many of the largest contributions come back for each row."
    )

    def to_request(self) -> ScoreRequest:
        """Return the request."""
        return ScoreRequest(rows=tuple(self.rows), top_features=self.top_features)


def one_version(ref: ModelRef) -> ModelRef:
    """Return `ref`; raises Invalid if it has both version and label."""
    if ref.version is not None and ref.label is not None:
        raise Invalid("expected a version or a label, not both", field="label")
    return ref


def invalid(error: ValidationError) -> Invalid:
    """Return the first thing that is wrong, with the path of the field."""
    return first_problem(error.errors(include_url=False, include_input=False, include_context=False))


def first_problem(problems: Any) -> Invalid:
    """Return the first of pydantic's problems as our error; `body` and tags are no part of a path."""
    first = problems[0]
    parts = (
        first["loc"][1:] if first["loc"] and first["loc"][0] in {"body", "query", "path"} else first["loc"]
    )
    message = "no field of that name is known" if first["type"] == "extra_forbidden" else first["msg"]
    return Invalid(message.removeprefix("Value error, "), field=_path(parts) or "body")


def _path(parts: tuple[int | str, ...]) -> str:
    """Return the path as it would be written in code: `rows[0].height`."""
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in parts
        if isinstance(part, int) or not part.startswith(_BRANCH)
    )
    return path.removeprefix(".")

"""What a bundle's graphs are for: each word with what it needs to know beyond signatures.

Knows words, inputs and limits. Knows nothing of files or manifests.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from service.bundle.signatures import Frozen, StepGraph


class Tokenizer(Frozen):
    """How text becomes token ids: `characters` is a JSON list of characters whose index is the id
    (a character outside it becomes `unknown_id`); `tokenizers` is a Hugging Face `tokenizer.json`, which adds
    its own start and end tokens to a text if `adds_special`.
    """

    kind: Literal["characters", "tokenizers"]
    file: str
    unknown_id: int | None = None
    adds_special: bool = False


class ImageInput(Frozen):
    """Pixels as the model takes them: resized to `height` by `width`, `channels` 1 (grey) or 3 (RGB),
    multiplied by `scale` (so that 255 becomes 1.0 with 1/255).
    """

    kind: Literal["image"] = "image"
    height: int
    width: int
    channels: Literal[1, 3]
    scale: float


class FeatureInput(Frozen):
    """A row of numbers, one for each of `names`."""

    kind: Literal["features"] = "features"
    names: tuple[str, ...]


class TextInput(Frozen):
    """A text as token ids, of which the `first` or the `last` `max_tokens` are kept."""

    kind: Literal["text"] = "text"
    tokenizer: Tokenizer
    max_tokens: int
    keep: Literal["first", "last"] = "first"


class Classify(Frozen):
    """One input tensor in, a probability for each label out.

    `attention` is an output [batch, time] that says how much each token of a text had a part in that.
    """

    word: Literal["classify"] = "classify"
    signature: str
    input: str
    probabilities: str
    labels: tuple[str, ...]
    accepts: Annotated[ImageInput | FeatureInput | TextInput, Field(discriminator="kind")]
    attention: str | None = None

    @model_validator(mode="after")
    def _attention_is_for_texts(self) -> Self:
        if self.attention is not None and not isinstance(self.accepts, TextInput):
            raise ValueError("attention is told of the tokens of a text; this model takes none")
        return self


class Encoder(Frozen):
    """What reads the whole prompt once, before the first step: its outputs are the step graph's `context`.

    `source` is the token input of `signature`. The prompt becomes tokens by `tokenizer`, of `vocabulary_size`
    entries at most, and ends with `end_id` if there is one.
    """

    signature: str
    source: str
    tokenizer: Tokenizer
    vocabulary_size: int
    end_id: int | None = None


class Generate(Frozen):
    """A prompt in, text out, one token a step.

    Without an `encoder` the text continues the prompt. With one the text answers it: the encoder reads the prompt, at
    most `max_prompt_tokens` with the end token, and the step graph begins with `start_id`. The text ends at `end_id`
    or any of `other_end_ids`. Prompt and continuation have at most `max_total_tokens` together, if that is given.
    """

    word: Literal["generate"] = "generate"
    step: StepGraph
    encoder: Encoder | None = None
    tokenizer: Tokenizer
    vocabulary_size: int
    start_id: int | None = None
    end_id: int | None = None
    other_end_ids: tuple[int, ...] = ()
    max_prompt_tokens: int
    max_new_tokens: int
    max_total_tokens: int | None = None

    @property
    def end_ids(self) -> tuple[int, ...]:
        """All tokens that end a continuation."""
        return self.other_end_ids if self.end_id is None else (self.end_id, *self.other_end_ids)

    @model_validator(mode="after")
    def _an_encoder_needs_a_start(self) -> Self:
        if self.encoder is not None and self.start_id is None:
            raise ValueError("with an encoder, start_id must say what the step graph begins with")
        return self


class Translate(Frozen):
    """A sentence in, a sentence out: the encoder runs once, the step graph for each token.

    `source` is the encoder's token input. The source ends with `end_id`, unless its tokenizer adds special
    tokens itself; the target starts with `start_id` and ends at `end_id` or any of `other_end_ids`. At most
    `max_new_tokens` steps are made.
    """

    word: Literal["translate"] = "translate"
    encode: str
    source: str
    step: StepGraph
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    source_language: str
    target_language: str
    vocabulary_size: int
    start_id: int
    end_id: int
    other_end_ids: tuple[int, ...] = ()
    pad_id: int
    max_source_tokens: int
    max_new_tokens: int

    @property
    def end_ids(self) -> tuple[int, ...]:
        """All tokens that end a target."""
        return (self.end_id, *self.other_end_ids)


class Score(Frozen):
    """Rows of named features in, an anomaly score, a verdict and each feature's share out.

    `score` [batch] float, `is_anomaly` [batch] bool, `threshold` [] or [batch] float and `contributions`
    [batch, features] float are outputs of the signature.
    """

    word: Literal["score"] = "score"
    signature: str
    input: str
    features: tuple[str, ...]
    score: str
    is_anomaly: str
    threshold: str
    contributions: str


class Predict(Frozen):
    """Named tensors in, named tensors out, through any signature.

    With a `tokenizer`, texts are taken in the place of token ids: one for each row of [batch, time], and one that is a
    single token for each of [batch].
    """

    word: Literal["predict"] = "predict"
    tokenizer: Tokenizer | None = None


Task = Annotated[Classify | Generate | Translate | Score | Predict, Field(discriminator="word")]

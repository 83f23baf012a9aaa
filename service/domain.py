"""The nouns that every room shares: which model, which call, what is asked and what is answered.

Knows nothing of wires, files or sessions. All times are seconds; a point in time ends in `_at_s` and is on
`time.monotonic()`: the event loop's own clock counts the same, but uvloop's only in milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from numpy.typing import NDArray

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""What a model may be called: a name that is a directory, a label value and a part of an address as it is."""

Array = NDArray[Any]
Tensors = Mapping[str, Array]
Word = Literal["classify", "generate", "translate", "score", "predict"]
FinishReason = Literal["stop", "length"]
DispatchReason = Literal["idle", "full", "delay", "alone"]


EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model that a caller means: by name and version or label, or, with no name, the only one for a task."""

    name: str | None = None
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ModelId:
    """One live version of a model."""

    name: str
    version: int


HIGHEST_PRIORITY = -100
LOWEST_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose turn it is where callers wait for one another.

    Turns are shared out fairly among different `client`s. Requests of lower `priority` come first (0 where none is
    named, -100 to 100); waiting makes up for it.
    """

    client: str = ""
    priority: int = 0


ANYONE = Caller()


@dataclass(frozen=True, slots=True)
class Call:
    """What surrounds a request: who asks over which wire, and until when an answer is of use.

    `credentials` is the caller's `authorization` as it came; it is in no log. Requests with one `client` share the
    turns that are shared out fairly among clients. `variant` names the graphs that are to answer (`int8`); without it the
    model's usual ones do.
    """

    request_id: str
    protocol: str
    deadline_at_s: float
    credentials: str = field(default="", repr=False)
    client: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """How an answer came about: waited `queue_s`, ran for `run_s` among `batch_rows` rows.

    `reason` is why the batch was dispatched then; `padding` the share of padded elements, 0 to 1. For tokens,
    `first_token_s` is how much of `run_s` went by before the first was there.
    """

    queue_s: float = 0.0
    run_s: float = 0.0
    batch_rows: int = 1
    reason: DispatchReason = "idle"
    padding: float = 0.0
    first_token_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """One input to classify: exactly one of the four forms.

    `image` is an encoded PNG or JPEG; `pixels` a nested list or array [height, width] or
    [height, width, channels] of 0 to 255 values, or already scaled when `scaled` is true; `features` is a
    row of numbers by position or by name.
    """

    image: bytes | None = None
    pixels: Sequence[Any] | Array | None = None
    scaled: bool = False
    text: str | None = None
    features: Sequence[float] | Mapping[str, float] | None = None
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label and its probability."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ClassifyAnswer:
    """The most probable labels, best first."""

    model: ModelId
    labels: tuple[LabelScore, ...]
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `temperature` 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 switch those
    off.

    With a `seed`, the same request gives the same text, whatever else is running. Before all else, `logit_bias`
    (pairs of token id and what is added to its logit) and the penalties for tokens that came before change the
    logits: two that are subtracted for generated ones, and `repetition_penalty` (1 switches it off), a factor for
    those of the prompt as well. With `logprobs`, the log-probability of each token, and so many of the most
    probable in its place, are told; they are the model's own, before anything here changed them. `ranked` asks for
    their sum alone (`TextChunk.logprob`).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    logprobs: int | None = None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """A prompt, text or token ids, to continue by at most `max_tokens` tokens, or until one of `stop` appears.

    With `echo`, the answer begins with the prompt's text, and `max_tokens` may be 0. With `echo` and
    `sampling.logprobs`, the tokens of the prompt are scored as well. `priority` is that of `Caller`.
    """

    prompt: str | tuple[int, ...]
    max_tokens: int = 128
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    echo: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the answer: its own text, where in the answer it begins, and its natural log-probability.

    `top` has the most probable tokens in its place, text and log-probability, the best first. The first token of
    a prompt has neither: nothing comes before it.
    """

    text: str
    offset: int
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of generated text; the last one has a `finish_reason` and the counts.

    Texts of all chunks joined are the answer; a stop string is never part of it. `logprobs` has the tokens of
    this text if they were asked for; `logprob`, in the last chunk, is the sum over every token that was made, if it
    or they were asked for.
    """

    model: ModelId
    text: str
    tokens: int = 0
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    timing: Timing = Timing()
    logprobs: tuple[TokenLogprob, ...] = ()
    logprob: float = 0.0


TextStream = AsyncIterator[TextChunk]


@dataclass(frozen=True, slots=True)
class GenerateAnswer:
    """The whole continuation."""

    model: ModelId
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class TranslateRequest:
    """Texts to translate, each by itself; `beams` 1 is greedy. `length_penalty` as in Wu et al. 2016, `priority`
    as in `Caller`.
    """

    texts: tuple[str, ...]
    beams: int = 1
    length_penalty: float = 0.6
    max_tokens: int | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Translation:
    """One translated text; `score` is the sum of its tokens' log-probabilities, length-penalised."""

    text: str
    score: float
    finish_reason: FinishReason
    source_tokens: int
    target_tokens: int


@dataclass(frozen=True, slots=True)
class TranslateAnswer:
    """One translation for each text, in their order."""

    model: ModelId
    translations: tuple[Translation, ...]
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Rows to score, each by position or by name; `top_features` of the largest contributions come back."""

    rows: tuple[Sequence[float] | Mapping[str, float], ...]
    top_features: int = 5


@dataclass(frozen=True, slots=True)
class Contribution:
    """A feature and its share of the score, 0 to 1."""

    feature: str
    share: float


@dataclass(frozen=True, slots=True)
class RowScore:
    """One row's anomaly score, its verdict against the threshold, and what contributed most."""

    score: float
    is_anomaly: bool
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """One score for each row, in their order."""

    model: ModelId
    threshold: float
    rows: tuple[RowScore, ...]
    timing: Timing = Timing()


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Named tensors for a signature. A value is an array, or what JSON gave: nested lists, numbers, strings.

    `outputs` empty means all.
    """

    inputs: Mapping[str, Any]
    signature: str | None = None
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictAnswer:
    """Named tensors out."""

    model: ModelId
    signature: str
    outputs: Tensors
    timing: Timing = Timing()


VersionState = Literal["loading", "available", "draining", "failed", "unloaded"]


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """Where one version on disk stands; `reason` says why it failed."""

    model: ModelId
    state: VersionState
    reason: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model as a list shows it; `created` is when the version that answers by default was exported."""

    name: str
    word: Word
    versions: tuple[VersionStatus, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    created: datetime = EPOCH

"""The on-disk contract between export and the gateway: one model version in one directory.

Knows the names and shapes of what lies there, and nothing of sessions, requests or training.

A version directory holds `manifest.json`, `model.onnx` (the default signature), `<signature>.onnx` (the
others), the SavedModel for other servers, `assets.extra/` and `report/`. `Manifest` is the typed form of
`manifest.json`; `read` loads it and `verify_files` compares what lies on disk with what it promises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.domain import NAME_PATTERN

MANIFEST = "manifest.json"
DEFAULT_GRAPH = "model.onnx"
ASSETS = "assets.extra"
REPORT = "report"
SCHEMA = 1

DType = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "string",
]  # fmt: skip
Kind = Literal["values", "token_ids", "lengths", "positions", "mask", "state", "context"]
"""What a tensor means: it decides how export draws it for the parity gate and how the gateway pads it.

`values` numbers of the user's; `token_ids` vocabulary entries, right-padded along axis 1; `lengths` how
many of a row's tokens are valid; `positions` the index of a row's next token; `mask` 1.0 valid and 0.0
padding; `state` carried from step to step; `context` computed once per request by the encoder.
"""


class BundleError(Exception):
    """A version directory does not hold what its manifest promises, or has no readable manifest."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Tensor(_Frozen):
    """One input or output of a signature.

    `shape` has a number for a fixed axis and a name for a free one; two axes with one name have one size.
    Axis 0 is called `batch` where rows are independent. `range` is [lowest, highest) for `token_ids` and
    integers and [lowest, highest] for floats. `pad` is the value beyond a row's end.
    """

    name: str
    dtype: DType
    shape: tuple[int | str, ...]
    kind: Kind = "values"
    range: tuple[float, float] | None = None
    pad: float = 0


class Signature(_Frozen):
    """One callable graph of the bundle: an ONNX file and the SavedModel signature that it equals."""

    file: str
    saved_model_signature: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def input(self, name: str) -> Tensor:
        """Return the input called `name`; raises KeyError."""
        return {tensor.name: tensor for tensor in self.inputs}[name]

    def output(self, name: str) -> Tensor:
        """Return the output called `name`; raises KeyError."""
        return {tensor.name: tensor for tensor in self.outputs}[name]


class StateEntry(_Frozen):
    """One tensor that a step graph hands to its own next step.

    `replace`: the output is the next input (an LSTM's h and c). `append`: the output is this step's slice,
    to be appended to the input along `axis` (a key-value cache). `axis` counts from 0 with batch as 0.
    """

    input: str
    output: str
    mode: Literal["replace", "append"]
    axis: int | None = None

    @model_validator(mode="after")
    def _axis_belongs_to_append(self) -> Self:
        if (self.axis is None) is (self.mode == "append"):
            raise ValueError("an 'append' entry needs an axis, a 'replace' entry has none")
        return self


class StepGraph(_Frozen):
    """How to drive a step graph: everything a scheduler must know of a model.

    `tokens` is the int32 input [batch, time] of new tokens; if its axis 1 is fixed at 1, prompts are fed
    one token a step. `lengths` [batch] says how many of them are valid, `positions` [batch, time] gives
    each new token's index in its sequence, `past_mask` [batch, past] marks the valid part of an appended
    state. `logits` is [batch, vocabulary], those of each row's last valid token. `context` names inputs
    that stay the same for a request: the outputs of the encoder with the same names.
    """

    signature: str
    tokens: str
    logits: str
    state: tuple[StateEntry, ...]
    lengths: str | None = None
    positions: str | None = None
    past_mask: str | None = None
    context: tuple[str, ...] = ()


class Tokenizer(_Frozen):
    """How text becomes token ids: `characters` is a JSON list of characters whose index is the id
    (a character outside it becomes `unknown_id`); `tokenizers` is a Hugging Face `tokenizer.json`.
    """

    kind: Literal["characters", "tokenizers"]
    file: str
    unknown_id: int | None = None


class ImageInput(_Frozen):
    """Pixels as the model takes them: resized to `height` by `width`, `channels` 1 (grey) or 3 (RGB),
    multiplied by `scale` (so that 255 becomes 1.0 with 1/255).
    """

    kind: Literal["image"] = "image"
    height: int
    width: int
    channels: Literal[1, 3]
    scale: float


class FeatureInput(_Frozen):
    """A row of numbers, one for each of `names`."""

    kind: Literal["features"] = "features"
    names: tuple[str, ...]


class TextInput(_Frozen):
    """A text as token ids, cut at `max_tokens`."""

    kind: Literal["text"] = "text"
    tokenizer: Tokenizer
    max_tokens: int


class Classify(_Frozen):
    """One input tensor in, a probability for each label out."""

    word: Literal["classify"] = "classify"
    signature: str
    input: str
    probabilities: str
    labels: tuple[str, ...]
    accepts: Annotated[ImageInput | FeatureInput | TextInput, Field(discriminator="kind")]


class Generate(_Frozen):
    """A prompt in, its continuation out, one token a step."""

    word: Literal["generate"] = "generate"
    step: StepGraph
    tokenizer: Tokenizer
    vocabulary_size: int
    start_id: int | None = None
    end_id: int | None = None
    max_prompt_tokens: int
    max_new_tokens: int


class Translate(_Frozen):
    """A sentence in, a sentence out: the encoder runs once, the step graph for each token.

    `source` is the encoder's token input. The source ends with `end_id`; the target starts with
    `start_id` and ends at `end_id`. At most `max_new_tokens` steps are made.
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
    pad_id: int
    max_source_tokens: int
    max_new_tokens: int


class Score(_Frozen):
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


class Predict(_Frozen):
    """Named tensors in, named tensors out, through any signature."""

    word: Literal["predict"] = "predict"


Task = Annotated[Classify | Generate | Translate | Score | Predict, Field(discriminator="word")]


class Parity(_Frozen):
    """How far the SavedModel and the ONNX graph were apart: max |a-b| / (1 + |a|) over all `cases`."""

    max_relative: float
    tolerance: float
    cases: int
    ragged: bool


class Golden(_Frozen):
    """A request with its answer: an `.npz` with arrays `in.<input>` and `out.<output>`.

    The gateway runs it when it loads the version, and refuses the version if any output is further than
    `tolerance` from the recorded one, by the measure of `Parity`.
    """

    signature: str
    file: str
    tolerance: float


class File(_Frozen):
    """What a file must be."""

    sha256: str
    bytes: int


class Provenance(_Frozen):
    """Where a version comes from: enough to make it again."""

    job: str
    profile: str
    revision: str
    command: str
    seed: int
    data: str
    started: datetime
    seconds: float
    libraries: dict[str, str]


class Batching(_Frozen):
    """How many rows a session run may take for this model."""

    max_rows: Annotated[int, Field(ge=1)] = 64


class Manifest(_Frozen):
    """The typed `manifest.json`: everything that another program needs to know of a model version."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[int, Field(ge=1, lt=2**63)]
    created: datetime
    task: Task
    default_signature: str
    signatures: dict[str, Signature]
    metrics: dict[str, float]
    parity: dict[str, Parity]
    golden: tuple[Golden, ...]
    batching: Batching = Batching()
    provenance: Provenance
    files: dict[str, File]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.default_signature not in self.signatures:
            raise ValueError(f"default_signature '{self.default_signature}' is not among the signatures")
        for signature in self.signatures.values():
            if signature.file not in self.files:
                raise ValueError(f"file '{signature.file}' of a signature is not among the files")
        return self

    @property
    def default(self) -> Signature:
        """The signature that is meant when a caller names none."""
        return self.signatures[self.default_signature]


def read(directory: Path) -> Manifest:
    """Read the manifest of a version directory; raises BundleError if it is missing or not valid."""
    try:
        text = (directory / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or MANIFEST
        raise BundleError(f"{MANIFEST} is not valid: {where}: {first['msg']}") from error


def describe_files(directory: Path) -> dict[str, File]:
    """Return size and checksum of every file below `directory` except the manifest, by relative path."""
    return {
        path.relative_to(directory).as_posix(): File(sha256=sha256(path), bytes=path.stat().st_size)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def verify_files(directory: Path, files: dict[str, File]) -> None:
    """Compare the files on disk with `files`; raises BundleError for the first that differs."""
    for problem in _differences(directory, files):
        raise BundleError(problem)


def _differences(directory: Path, files: dict[str, File]) -> Iterator[str]:
    root = directory.resolve()
    for name, promised in files.items():
        path = directory / name
        if not path.resolve().is_relative_to(root):
            yield f"file '{name}' lies outside the version directory"
        elif not path.is_file():
            yield f"file '{name}' is missing"
        elif path.stat().st_size != promised.bytes:
            yield f"file '{name}' has {path.stat().st_size} bytes, expected {promised.bytes}"
        elif sha256(path) != promised.sha256:
            yield f"file '{name}' does not match its checksum"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

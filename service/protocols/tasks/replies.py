"""The JSON documents that answer: what each word, and each look at the models, gives back.

Knows the shared nouns and manifests; knows neither HTTP nor gRPC.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.domain import (
    ClassifyAnswer,
    FinishReason,
    GenerateAnswer,
    ModelId,
    ModelSummary,
    ScoreAnswer,
    TextChunk,
    TranslateAnswer,
    VersionState,
    VersionStatus,
    Word,
)


class Reply(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ModelReply(Reply):
    """The version that answered."""

    name: str
    version: int

    @classmethod
    def of(cls, model: ModelId) -> Self:
        """Return the document of `model`."""
        return cls(name=model.name, version=model.version)


class LabelReply(Reply):
    """A label and its probability."""

    label: str
    probability: float


class TokenWeightReply(Reply):
    """A token of the text as the model knows it, and its share of the attention."""

    token: str
    weight: float


class ClassifyReply(Reply):
    """The most probable labels, best first; `attention` only from models of texts that have it."""

    model: ModelReply
    labels: list[LabelReply]
    attention: list[TokenWeightReply] | None = None

    @classmethod
    def of(cls, answer: ClassifyAnswer) -> Self:
        """Return the document of `answer`."""
        labels = [LabelReply(label=found.label, probability=found.probability) for found in answer.labels]
        attention = [TokenWeightReply(token=each.token, weight=each.weight) for each in answer.attention]
        return cls(model=ModelReply.of(answer.model), labels=labels, attention=attention or None)


class UsageReply(Reply):
    """How many tokens were read and made."""

    prompt_tokens: int
    completion_tokens: int


class GenerateReply(Reply):
    """The continuation; `finish_reason` is `stop` (the end, or a stop string) or `length`."""

    model: ModelReply
    text: str
    finish_reason: FinishReason
    usage: UsageReply

    @classmethod
    def of(cls, answer: GenerateAnswer) -> Self:
        """Return the document of `answer`."""
        return cls(
            model=ModelReply.of(answer.model),
            text=answer.text,
            finish_reason=answer.finish_reason,
            usage=UsageReply(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
        )


class ChunkReply(Reply):
    """A piece of the continuation; only the last has `finish_reason` and `usage`."""

    model: ModelReply
    text: str
    finish_reason: FinishReason | None = None
    usage: UsageReply | None = None

    @classmethod
    def of(cls, chunk: TextChunk) -> Self:
        """Return the document of `chunk`."""
        last = chunk.finish_reason is not None
        usage = UsageReply(prompt_tokens=chunk.prompt_tokens, completion_tokens=chunk.completion_tokens)
        return cls(
            model=ModelReply.of(chunk.model),
            text=chunk.text,
            finish_reason=chunk.finish_reason,
            usage=usage if last else None,
        )


class TranslationReply(Reply):
    """One translation; `score` is the length-penalised sum of its tokens' log-probabilities."""

    text: str
    score: float
    finish_reason: FinishReason
    source_tokens: int
    target_tokens: int


class TranslateReply(Reply):
    """One translation for each text, in their order."""

    model: ModelReply
    translations: list[TranslationReply]

    @classmethod
    def of(cls, answer: TranslateAnswer) -> Self:
        """Return the document of `answer`."""
        return cls(
            model=ModelReply.of(answer.model),
            translations=[
                TranslationReply(
                    text=found.text,
                    score=found.score,
                    finish_reason=found.finish_reason,
                    source_tokens=found.source_tokens,
                    target_tokens=found.target_tokens,
                )
                for found in answer.translations
            ],
        )


class ContributionReply(Reply):
    """A feature and its share of the score, 0 to 1."""

    feature: str
    share: float


class RowReply(Reply):
    """A row's score and verdict, and what contributed most."""

    score: float
    is_anomaly: bool
    verdict: Literal["anomaly", "normal"]
    contributions: list[ContributionReply]


class ScoreReply(Reply):
    """One score for each row, in their order; above `threshold` is an anomaly."""

    model: ModelReply
    threshold: float
    rows: list[RowReply]

    @classmethod
    def of(cls, answer: ScoreAnswer) -> Self:
        """Return the document of `answer`."""
        rows = [
            RowReply(
                score=row.score,
                is_anomaly=row.is_anomaly,
                verdict="anomaly" if row.is_anomaly else "normal",
                contributions=[
                    ContributionReply(feature=part.feature, share=part.share) for part in row.contributions
                ],
            )
            for row in answer.rows
        ]
        return cls(model=ModelReply.of(answer.model), threshold=answer.threshold, rows=rows)


class VersionReply(Reply):
    """Where a version stands; `reason` says why it failed."""

    version: int
    state: VersionState
    labels: list[str]
    reason: str | None = None

    @classmethod
    def of(cls, status: VersionStatus) -> Self:
        """Return the document of `status`."""
        return cls(
            version=status.model.version,
            state=status.state,
            labels=list(status.labels),
            reason=status.reason or None,
        )


class SummaryReply(Reply):
    """A model as the list shows it; `metrics` are of the default version, on held-out data.

    `created`, in seconds since 1970, and `owned_by` are what OpenAI's clients read.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["sluice"] = "sluice"
    word: Word
    versions: list[VersionReply]
    metrics: dict[str, float]

    @classmethod
    def of(cls, summary: ModelSummary) -> Self:
        """Return the document of `summary`."""
        return cls(
            id=summary.name,
            created=int(summary.created.timestamp()),
            word=summary.word,
            versions=[VersionReply.of(status) for status in summary.versions],
            metrics=dict(summary.metrics),
        )


class ModelsReply(Reply):
    """Every model."""

    object: Literal["list"] = "list"
    data: list[SummaryReply]


class ErrorDetail(Reply):
    """Why a call failed; `field` is the path of the part of the request that is wrong."""

    code: str = Field(examples=["INVALID"])
    message: str
    field: str | None = None
    request_id: str


class ErrorReply(Reply):
    """The body of every error."""

    error: ErrorDetail

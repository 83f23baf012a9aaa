"""The protobuf messages of the typed tasks: to the shared nouns, and from them.

Pure. The bounds of requests are those of `bodies`, so that both wires refuse the same; field names are theirs too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from pb import tasks_pb2
from service import domain
from service.domain import ModelId, ModelRef, Timing
from service.errors import Invalid
from service.protocols.tasks import bodies, codec, tensors

_Body = TypeVar("_Body", bound=bodies.ModelBody)


def decode_ref(message: Any) -> ModelRef:
    """Return the model that a message means by its `model`; raises Invalid."""
    if not message.HasField("model"):
        return ModelRef()
    given = message.model
    which = given.WhichOneof("which")
    if given.name:
        codec.check_name(given.name, "model")
    if which == "version":
        codec.check_version(given.version)
    if which == "label":
        codec.check_name(given.label, "label")
    return ModelRef(
        name=given.name or None,
        version=given.version if which == "version" else None,
        label=given.label if which == "label" else None,
    )


def decode_classify(message: Any) -> domain.ClassifyRequest:
    """Return the request that a ClassifyRequest message is; raises Invalid."""
    form = message.WhichOneof("input")
    given: dict[str, Any] = {"scaled": message.scaled, **_present(message, "top_k")}
    if form == "features":
        given["features"] = _features(message.features, "features")
    elif form == "pixels":
        given["pixels"] = tensors.decode(message.pixels, "pixels")
    elif form is not None:
        given[form] = getattr(message, form)
    return _checked(bodies.ClassifyBody, given).to_request()


_GENERATE_FIELDS = (
    "max_tokens", "temperature", "top_k", "top_p", "seed",
    "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "priority",
)  # fmt: skip


def decode_generate(message: Any) -> domain.GenerateRequest:
    """Return the request that a GenerateRequest message is; raises Invalid."""
    given = _present(message, *_GENERATE_FIELDS)
    return _checked(
        bodies.GenerateBody, {**given, "prompt": message.prompt, "stop": list(message.stop)}
    ).to_request()


def decode_translate(message: Any) -> domain.TranslateRequest:
    """Return the request that a TranslateRequest message is; raises Invalid."""
    given = _present(message, "beams", "length_penalty", "max_tokens", "priority")
    return _checked(bodies.TranslateBody, {**given, "texts": list(message.texts)}).to_request()


def decode_score(message: Any) -> domain.ScoreRequest:
    """Return the request that a ScoreRequest message is; raises Invalid."""
    rows = [_features(row, f"rows[{index}]") for index, row in enumerate(message.rows)]
    return _checked(bodies.ScoreBody, {**_present(message, "top_features"), "rows": rows}).to_request()


def decode_predict(message: Any) -> domain.PredictRequest:
    """Return the request that a PredictRequest message is; raises Invalid."""
    outputs = list(message.outputs)
    codec.check_distinct(outputs)
    return domain.PredictRequest(
        inputs={name: tensors.decode(found, f"inputs.{name}") for name, found in message.inputs.items()},
        signature=message.signature or None,
        outputs=tuple(outputs),
    )


def _checked(kind: type[_Body], given: dict[str, Any]) -> _Body:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise bodies.invalid(error) from error


def _present(message: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def _features(message: Any, field: str) -> list[float] | dict[str, float]:
    if message.by_name:
        if len(message.values):
            raise Invalid("expected values or by_name, not both", field=field)
        return dict(message.by_name)
    return list(message.values)


def encode_classify(answer: domain.ClassifyAnswer) -> bytes:
    """Return a ClassifyReply."""
    labels = [
        tasks_pb2.LabelScore(label=found.label, probability=found.probability) for found in answer.labels
    ]
    attention = [tasks_pb2.TokenWeight(token=each.token, weight=each.weight) for each in answer.attention]
    return _bytes(
        tasks_pb2.ClassifyReply(
            model=_model(answer.model), labels=labels, timing=_timing(answer.timing), attention=attention
        )
    )


def encode_generate(answer: domain.GenerateAnswer) -> bytes:
    """Return a GenerateReply."""
    return _bytes(
        tasks_pb2.GenerateReply(
            model=_model(answer.model),
            text=answer.text,
            finish_reason=answer.finish_reason,
            usage=_usage(answer),
            timing=_timing(answer.timing),
        )
    )


def encode_chunk(chunk: domain.TextChunk) -> bytes:
    """Return a TextChunk; only the last has finish reason, usage and timing."""
    message = tasks_pb2.TextChunk(model=_model(chunk.model), text=chunk.text, tokens=chunk.tokens)
    if chunk.finish_reason is not None:
        message.finish_reason = chunk.finish_reason
        message.usage.CopyFrom(_usage(chunk))
        message.timing.CopyFrom(_timing(chunk.timing))
    return _bytes(message)


def encode_translate(answer: domain.TranslateAnswer) -> bytes:
    """Return a TranslateReply."""
    translations = [
        tasks_pb2.Translation(
            text=found.text,
            score=found.score,
            finish_reason=found.finish_reason,
            source_tokens=found.source_tokens,
            target_tokens=found.target_tokens,
        )
        for found in answer.translations
    ]
    return _bytes(
        tasks_pb2.TranslateReply(
            model=_model(answer.model), translations=translations, timing=_timing(answer.timing)
        )
    )


def encode_score(answer: domain.ScoreAnswer) -> bytes:
    """Return a ScoreReply."""
    rows = [
        tasks_pb2.RowScore(
            score=row.score, is_anomaly=row.is_anomaly, contributions=_contributions(row.contributions)
        )
        for row in answer.rows
    ]
    return _bytes(
        tasks_pb2.ScoreReply(
            model=_model(answer.model), threshold=answer.threshold, rows=rows, timing=_timing(answer.timing)
        )
    )


def encode_predict(answer: domain.PredictAnswer) -> bytes:
    """Return a PredictReply."""
    return _bytes(
        tasks_pb2.PredictReply(
            model=_model(answer.model),
            signature=answer.signature,
            outputs={name: tensors.encode(array) for name, array in answer.outputs.items()},
            timing=_timing(answer.timing),
        )
    )


def _contributions(parts: Iterable[domain.Contribution]) -> list[Any]:
    return [tasks_pb2.Contribution(feature=part.feature, share=part.share) for part in parts]


def _model(model: ModelId) -> Any:
    return tasks_pb2.ModelId(name=model.name, version=model.version)


def _usage(answer: domain.GenerateAnswer | domain.TextChunk) -> Any:
    return tasks_pb2.Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens)


def _timing(timing: Timing) -> Any:
    return tasks_pb2.Timing(
        queue_s=timing.queue_s,
        run_s=timing.run_s,
        batch_rows=timing.batch_rows,
        reason=timing.reason,
        padding=timing.padding,
    )


def _bytes(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized

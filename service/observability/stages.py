"""Decide which spans a request's trace has, from what was recorded of it.

Pure functions from values to values. Knows no tracing library.

Names of attributes are those of OpenTelemetry's semantic conventions where there are any (GenAI for tokens and models),
else begin with `sluice.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.observability.tracing import Attributes, Batch, Tokens, Value, Visit, Wait

OPERATIONS = {"generate": "text_completion", "translate": "generate_content"}
"""GenAI's names for the words that make tokens."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a request; `batch` is the identity of the run that it waited for or took part in."""

    name: str
    started_at_s: float
    ended_at_s: float
    attributes: Attributes = field(default_factory=dict)
    batch: object = None
    failed: bool = False


def of_visits(visits: Sequence[Visit], arrived_at_s: float, departed_at_s: float) -> Iterator[Stage]:
    """Yield what happened around and within the gateway: decoding, a generator's stages, encoding."""
    if not visits:
        return
    yield Stage("decode", arrived_at_s, min(visit.started_at_s for visit in visits))
    for visit in visits:
        if visit.tokens is not None:
            yield from _of_tokens(visit, visit.tokens)
    yield Stage("encode", max(visit.ended_at_s for visit in visits), departed_at_s)


def _of_tokens(visit: Visit, tokens: Tokens) -> Iterator[Stage]:
    """Yield a generator's stages; a translation's wait is that of its encoder's runs, which are told by themselves."""
    timing = visit.timing
    ran_at_s = max(visit.started_at_s, visit.ended_at_s - timing.run_s)
    first_at_s = min(ran_at_s + timing.first_token_s, visit.ended_at_s)
    if visit.word == "generate":
        yield Stage("queue", max(visit.started_at_s, ran_at_s - timing.queue_s), ran_at_s)
        yield Stage("prefill", ran_at_s, first_at_s, {"gen_ai.usage.input_tokens": tokens.prompt})
    yield Stage("tokens", first_at_s, visit.ended_at_s, {"gen_ai.usage.output_tokens": tokens.completion})


def of_wait(wait: Wait, batch: Batch, identity: object) -> tuple[Stage, Stage]:
    """Return what a request saw of a run: its time in the queue, and the run."""
    run = Stage("run", batch.started_at_s, batch.ended_at_s, _run(batch), identity, batch.failed)
    return Stage("queue", wait.since_s, batch.started_at_s), run


def of_batch(batch: Batch) -> Stage:
    """Return a run as it is told of by itself."""
    name = f"batch {batch.model.name}"
    return Stage(name, batch.started_at_s, batch.ended_at_s, _run(batch), failed=batch.failed)


def _run(batch: Batch) -> Attributes:
    return {
        "sluice.model": batch.model.name,
        "sluice.version": batch.model.version,
        "sluice.signature": batch.signature,
        "sluice.batch.requests": batch.requests,
        "sluice.batch.rows": batch.rows,
        "sluice.batch.padding_ratio": batch.padding,
        "sluice.batch.reason": batch.reason,
        "sluice.batch.session_s": batch.run_s,
    }


def of_request(visits: Sequence[Visit]) -> dict[str, Value]:
    """Return what the last visit says of the whole request, tokens of all visits counted together."""
    if not visits:
        return {}
    last = visits[-1]
    told: dict[str, Value] = {
        "sluice.word": last.word,
        "sluice.request_id": last.request_id,
    }
    if last.model is not None:
        told |= {"sluice.model": last.model.name, "sluice.version": last.model.version}
    counted = [visit.tokens for visit in visits if visit.tokens is not None]
    if counted and last.model is not None:
        told |= {
            "gen_ai.operation.name": OPERATIONS[last.word],
            "gen_ai.request.model": last.model.name,
            "gen_ai.usage.input_tokens": sum(each.prompt for each in counted),
            "gen_ai.usage.output_tokens": sum(each.completion for each in counted),
            "gen_ai.response.finish_reasons": tuple(
                reason for each in counted for reason in each.finish_reasons
            ),
        }
    failed = next((visit.outcome for visit in visits if visit.outcome != "ok"), None)
    if failed is not None:
        told["error.type"] = failed
    return told

"""Keep account of every request: metrics, log lines, and what its caller is to see of a failure.

Knows outcomes. Knows nothing of how answers are made.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from structlog.stdlib import BoundLogger

from service.domain import Call, GenerateAnswer, ModelId, TextChunk, Timing, TranslateAnswer, Word
from service.errors import Code, Internal, ServiceError
from service.gateway.throttle import Throttle
from service.observability import tracing
from service.observability.metrics import VersionRecorder
from service.observability.tracing import NO_TIMING, UNTRACED, Tokens, Trace

TOGETHER_S = 0.0005
"""Chunks of a stream that are less apart were made over the time before the first of them: tokens are told in bundles."""
_PASSING = frozenset({Code.OVERLOADED, Code.UNAVAILABLE, Code.TIMED_OUT})
"""Failures that say something of our state, and not of the request."""


@dataclass(slots=True)
class Visit:
    """A request on its way; `model` is None if none was found for it."""

    word: Word
    call: Call
    recorder: VersionRecorder
    model: ModelId | None
    started_at_s: float
    last_token_at_s: float = 0.0
    gap_s: float = 0.0
    gap_tokens: int = 0
    trace: Trace = UNTRACED


class Accounts:
    """Writes down how each visit ended. With `access`, successes are logged too."""

    def __init__(self, log: BoundLogger, *, access: bool) -> None:
        self._log = log
        self._access = access
        self._throttle = Throttle(interval_s=1.0)

    def answered(
        self,
        visit: Visit,
        now_s: float,
        timing: Timing,
        answer: object = None,
    ) -> None:
        """Count a request that was answered."""
        self._spread_gap(visit)
        duration_s = now_s - visit.started_at_s
        recorder, exemplar = visit.recorder, visit.trace.exemplar
        recorder.answered(visit.word, visit.call.protocol, "ok", duration_s, exemplar)
        recorder.waited(visit.word, timing.queue_s, exemplar)
        recorder.tally.answer(duration_s, timing)
        if isinstance(answer, GenerateAnswer | TextChunk):
            recorder.counted_tokens(answer.prompt_tokens, answer.completion_tokens)
            if answer.finish_reason is not None:
                recorder.finished(answer.finish_reason)
        elif isinstance(answer, TranslateAnswer):
            recorder.counted_tokens(
                sum(each.source_tokens for each in answer.translations),
                sum(each.target_tokens for each in answer.translations),
            )
            for each in answer.translations:
                recorder.finished(each.finish_reason)
        if visit.trace.sampled:
            _tell(visit, now_s, "ok", timing, _tokens_of(answer))
        if self._access:
            self._log.info(
                "answered",
                **_who(visit),
                duration_s=round(duration_s, 6),
                queue_s=round(timing.queue_s, 6),
                batch_rows=timing.batch_rows,
            )

    def streamed(self, visit: Visit, now_s: float, tokens: int) -> None:
        """Count a chunk of a stream that brought `tokens` tokens."""
        if tokens <= 0:
            return
        if visit.last_token_at_s == 0.0:
            visit.recorder.first_token(now_s - visit.started_at_s, visit.trace.exemplar)
        else:
            gap_s = now_s - visit.last_token_at_s
            if gap_s >= TOGETHER_S:
                self._spread_gap(visit)
                visit.gap_s = 0.0
            visit.gap_s += gap_s
            visit.gap_tokens += tokens
        visit.last_token_at_s = now_s

    @staticmethod
    def _spread_gap(visit: Visit) -> None:
        """Count the time that tokens which came together took, as if they had come evenly: so they were made."""
        for _ in range(visit.gap_tokens):
            visit.recorder.next_token(visit.gap_s / visit.gap_tokens, visit.trace.exemplar)
        visit.gap_tokens = 0

    def failed(self, visit: Visit, now_s: float, error: BaseException) -> BaseException:
        """Count and log a failure; returns what the caller is to see: our own errors, and nothing unexpected."""
        self._spread_gap(visit)
        seen: BaseException = error
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            outcome = Code.CANCELLED
        elif isinstance(error, ServiceError):
            outcome = error.code
        else:
            outcome = Code.INTERNAL
            if isinstance(error, Exception):
                seen = Internal("internal error")
        word = outcome.value.lower()
        duration_s = now_s - visit.started_at_s
        visit.recorder.answered(visit.word, visit.call.protocol, word, duration_s, visit.trace.exemplar)
        visit.recorder.tally.failed.add(duration_s)
        if visit.trace.sampled:
            _tell(visit, now_s, outcome.value)
        if outcome in _PASSING:
            visit.recorder.refused(word)
        self._write(visit, now_s, error, outcome)
        return seen

    def _write(self, visit: Visit, now_s: float, error: BaseException, outcome: Code) -> None:
        if outcome is Code.INTERNAL:
            self._log.error("failed", **_who(visit), exc_info=error)
            return
        if outcome is Code.CANCELLED:
            self._log.debug("cancelled", **_who(visit))
            return
        # A storm of refusals must not become a storm of lines: the metrics have the numbers.
        suppressed = self._throttle.admit((visit.model, outcome), now_s)
        if suppressed is None:
            return
        write = self._log.warning if outcome in _PASSING else self._log.info
        write(
            "refused",
            **_who(visit),
            code=outcome.value,
            field=getattr(error, "field", None),
            suppressed=suppressed,
        )


def _tell(
    visit: Visit, now_s: float, outcome: str, timing: Timing = NO_TIMING, tokens: Tokens | None = None
) -> None:
    visit.trace.visited(
        tracing.Visit(
            visit.word,
            visit.call.request_id,
            visit.model,
            outcome,
            visit.started_at_s,
            now_s,
            timing,
            tokens,
        )
    )


def _tokens_of(answer: object) -> Tokens | None:
    if isinstance(answer, GenerateAnswer | TextChunk):
        reasons = () if answer.finish_reason is None else (answer.finish_reason,)
        return Tokens(answer.prompt_tokens, answer.completion_tokens, reasons)
    if isinstance(answer, TranslateAnswer):
        made = answer.translations
        return Tokens(
            sum(each.source_tokens for each in made),
            sum(each.target_tokens for each in made),
            tuple(each.finish_reason for each in made),
        )
    return None


def _who(visit: Visit) -> dict[str, object]:
    return {
        "request_id": visit.call.request_id,
        "protocol": visit.call.protocol,
        "word": visit.word,
        "model": visit.model.name if visit.model else None,
        "version": visit.model.version if visit.model else None,
    }

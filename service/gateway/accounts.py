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
from service.observability.metrics import VersionRecorder

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
        duration_s = now_s - visit.started_at_s
        recorder = visit.recorder
        recorder.answered(visit.word, visit.call.protocol, "ok", duration_s)
        recorder.waited(visit.word, timing.queue_s)
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
            visit.recorder.first_token(now_s - visit.started_at_s)
        else:
            for _ in range(tokens):
                visit.recorder.next_token((now_s - visit.last_token_at_s) / tokens)
        visit.last_token_at_s = now_s

    def failed(self, visit: Visit, now_s: float, error: BaseException) -> BaseException:
        """Count and log a failure; returns what the caller is to see: our own errors, and nothing unexpected."""
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
        visit.recorder.answered(visit.word, visit.call.protocol, word, now_s - visit.started_at_s)
        visit.recorder.tally.failed.add(now_s - visit.started_at_s)
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


def _who(visit: Visit) -> dict[str, object]:
    return {
        "request_id": visit.call.request_id,
        "protocol": visit.call.protocol,
        "word": visit.word,
        "model": visit.model.name if visit.model else None,
        "version": visit.model.version if visit.model else None,
    }

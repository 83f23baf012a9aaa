"""What becomes of each generated token: text for the caller, its log-probability, and whether it was the last.

Knows a tokenizer and stop strings. Knows nothing of models, counts or streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain import FinishReason, TokenLogprob
from service.engine.contracts import Token
from service.tasks.detokenizer import Detokenizer
from service.tasks.stop import StopMatcher
from service.tasks.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is certain now, the tokens that it is made of, and why the answer ends here, if it does."""

    text: str
    reason: FinishReason | None
    logprobs: tuple[TokenLogprob, ...] = ()


class Continuation:
    """One sequence on its way to text. `lead` comes before everything; `logprob` sums over all tokens so far.

    With `logprobs`, every token whose text, or a part of it, belongs to the answer comes with the piece that
    brings it: those of a stop string and the end token do not.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], lead: str, *, logprobs: bool) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._matcher = StopMatcher(stops)
        self._lead = lead
        self._read = self._told = len(lead)
        self._waiting: list[TokenLogprob] | None = [] if logprobs else None
        self.logprob = 0.0

    def take(self, token: Token) -> Piece:
        """Return what is certain after one more token."""
        self.logprob += token.logprob
        ended = token.finish_reason == "stop"
        if self._waiting is not None and not ended:
            self._waiting.append(self._logprob(token))
        new = "" if ended else self._detokenizer.push(token.id)
        if token.finish_reason is not None:
            new += self._detokenizer.flush()
        self._read += len(new)
        text, stopped = self._matcher.push(new)
        if stopped:
            return self._piece(text, "stop", everything=False)
        if token.finish_reason is not None:
            return self._piece(text + self._matcher.flush(), token.finish_reason, everything=True)
        return self._piece(text, None, everything=False) if text else Piece("", None)

    def _piece(self, text: str, reason: FinishReason | None, *, everything: bool) -> Piece:
        self._told += len(text)
        lead, self._lead = self._lead, ""
        return Piece(lead + text, reason, self._released(everything=everything))

    def _released(self, *, everything: bool) -> tuple[TokenLogprob, ...]:
        if not self._waiting:
            return ()
        count = sum(everything or found.offset < self._told for found in self._waiting)
        released = tuple(self._waiting[:count])
        del self._waiting[:count]
        return released

    def _logprob(self, token: Token) -> TokenLogprob:
        top = tuple((self._tokenizer.piece(other), logprob) for other, logprob in token.top)
        return TokenLogprob(self._tokenizer.piece(token.id), self._read, token.logprob, top)

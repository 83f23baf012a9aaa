"""What becomes of each token: text for the caller, its log-probability, and whether it was the last.

Knows a tokenizer and stop strings. Knows nothing of models, counts or streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
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
    """One sequence on its way to text. `lead` comes before everything; `logprob` sums over the `made` tokens so far, if
    they have any.

    With `logprobs`, every token whose text, or a part of it, belongs to the answer comes with the piece that
    brings it: those of a stop string and the end token do not. `prompt` has the tokens of a lead that is scored:
    all but the first are taken before those that are made, and they are neither text nor counted.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stops: Sequence[str],
        lead: str,
        prompt: Sequence[int] = (),
        *,
        logprobs: bool,
    ) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._matcher = StopMatcher(stops)
        self._lead = lead
        self._read = self._told = len(lead)
        self._waiting: list[TokenLogprob] | None = [] if logprobs else None
        self._offsets = deque(_offsets(tokenizer, prompt, len(lead)))
        if self._offsets and self._waiting is not None:
            self._waiting.append(TokenLogprob(tokenizer.piece(prompt[0]), self._offsets.popleft(), None))
        self.made = 0
        self.logprob = 0.0

    def take(self, token: Token) -> Piece:
        """Return what is certain after one more token."""
        if self._offsets:
            return self._take_given(token, self._offsets.popleft())
        self.made += 1
        self.logprob += token.logprob or 0.0
        ended = token.finish_reason == "stop"
        if self._waiting is not None and not ended:
            self._waiting.append(self._logprob(token, self._read))
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

    def end(self) -> Piece:
        """Return what there is when no token is to be made."""
        return self._piece("", "length", everything=True)

    def _take_given(self, token: Token, offset: int) -> Piece:
        if self._waiting is not None:
            self._waiting.append(self._logprob(token, offset))
        return Piece("", None) if token.finish_reason is None else self.end()

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

    def _logprob(self, token: Token, offset: int) -> TokenLogprob:
        top = tuple((self._tokenizer.piece(other), logprob) for other, logprob in token.top)
        return TokenLogprob(self._tokenizer.piece(token.id), offset, token.logprob, top)


def _offsets(tokenizer: Tokenizer, prompt: Sequence[int], longest: int) -> Iterator[int]:
    """Yield where the text of each token begins; a tokenizer may give back another text than it was given."""
    detokenizer = Detokenizer(tokenizer)
    read = 0
    for token in prompt:
        yield min(read, longest)
        read += len(detokenizer.push(token))

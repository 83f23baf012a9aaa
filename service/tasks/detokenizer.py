"""Turn tokens into text as they come, never handing out half a character.

Knows a tokenizer's `decode`. Knows nothing of models or streams.
"""

from __future__ import annotations

from service.tasks.tokenizer import Tokenizer

REPLACEMENT = "\ufffd"
_WINDOW = 32
_CONTEXT = 8


class Detokenizer:
    """One sequence's text so far. Texts of all calls joined are the text of all tokens.

    A token's text may depend on its neighbours (a space before it, the rest of a character), so a window of
    the latest tokens is decoded and what is new in it handed out. What ends in U+FFFD may be half a
    character, and waits.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._sent = 0

    def push(self, token: int) -> str:
        """Take a token and return the text that is now certain."""
        self._window.append(token)
        text = self._tokenizer.decode(self._window)
        certain = len(text.rstrip(REPLACEMENT))
        if certain <= self._sent:
            return ""
        new = text[self._sent : certain]
        self._sent = certain
        if len(self._window) > _WINDOW and certain == len(text):
            self._shorten()
        return new

    def flush(self) -> str:
        """Return what was held back: no more tokens come."""
        text = self._tokenizer.decode(self._window)
        new = text[self._sent :]
        self._sent = len(text)
        return new

    def _shorten(self) -> None:
        """Keep as few of the latest tokens as make whole characters."""
        for count in range(1, _CONTEXT + 1):
            kept = self._window[-count:]
            text = self._tokenizer.decode(kept)
            if REPLACEMENT not in text:
                self._window = kept
                self._sent = len(text)
                return

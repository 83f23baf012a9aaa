"""Find where a text must end although it comes in pieces and a stop string may lie across them.

Pure text. Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """Lets text through up to the stop string that is complete first; of two complete at once, the longer counts.

    What might be the beginning of a stop string is held back until it is known.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Return the text that is certain now, and whether a stop string came right behind it."""
        if not self._stops:
            return text, False
        pending = self._held + text
        found = self._first(pending)
        if found is not None:
            self._held = ""
            return pending[:found], True
        certain = self._certain(pending)
        self._held = pending[certain:]
        return pending[:certain], False

    def flush(self) -> str:
        """Return what was held back: no more text comes."""
        held, self._held = self._held, ""
        return held

    def _first(self, text: str) -> int | None:
        ends = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        return min(ends)[1] if ends else None

    def _certain(self, text: str) -> int:
        """Return where the longest end of `text` begins that a stop string begins with."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if any(stop.startswith(text[start:]) for stop in self._stops):
                return start
        return len(text)

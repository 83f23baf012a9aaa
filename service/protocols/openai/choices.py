"""Sequences side by side: their chunks as they come, or all of them whole.

Knows streams of chunks. Knows nothing of documents, models or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from service.domain import TextChunk, TokenLogprob

Chunks = AsyncGenerator[TextChunk, None]
Indexed = AsyncGenerator[tuple[int, TextChunk], None]
_Inbox = asyncio.Queue[tuple[int, TextChunk] | Exception | None]


@dataclass(slots=True)
class Whole:
    """One sequence from its chunks: text, tokens, and the last chunk with its reason and counts."""

    last: TextChunk
    texts: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.texts)

    @property
    def mean_logprob(self) -> float:
        """The log-probability by token, the end token included."""
        return self.last.logprob / max(1, self.last.completion_tokens)


@dataclass(slots=True)
class Usage:
    """Tokens read and made, prompts counted once; `made` is how many sequences go on from each prompt."""

    made: int
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, index: int, chunk: TextChunk) -> None:
        """Count what the last chunk of the sequence at `index` says."""
        self.completion_tokens += chunk.completion_tokens
        if index % self.made == 0:
            self.prompt_tokens += chunk.prompt_tokens

    def document(self) -> dict[str, int]:
        """Return the counts as the wire tells them."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


async def side_by_side(streams: Sequence[Chunks]) -> Indexed:
    """Yield the chunks of all streams as they come, each with the position of its stream.

    The first error is raised, and ends the others; closing closes every stream.
    """
    # A place for each: one that nobody takes from waits, and the others with it.
    inbox: _Inbox = asyncio.Queue(maxsize=len(streams))
    tasks = [asyncio.ensure_future(_forward(index, each, inbox)) for index, each in enumerate(streams)]
    running = len(tasks)
    try:
        while running:
            item = await inbox.get()
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _forward(index: int, chunks: Chunks, inbox: _Inbox) -> None:
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                await inbox.put((index, chunk))
    except Exception as error:  # noqa: BLE001  # it is raised again where the chunks are read
        await inbox.put(error)
    else:
        await inbox.put(None)


async def whole(pieces: Indexed) -> list[Whole]:
    """Return every sequence in full, in order."""
    found: dict[int, Whole] = {}
    async with aclosing(pieces):
        async for index, chunk in pieces:
            sequence = found.setdefault(index, Whole(chunk))
            sequence.last = chunk
            sequence.texts.append(chunk.text)
            sequence.logprobs.extend(chunk.logprobs)
    return [found[index] for index in sorted(found)]


def best(made: Sequence[Whole], tries: int, told: int) -> list[Whole]:
    """Return, for each group of `tries`, the `told` with the highest log-probability by token, best first.

    Without a choice they stay in their order.
    """
    kept: list[Whole] = []
    for start in range(0, len(made), tries):
        group = list(made[start : start + tries])
        if told < tries:
            group.sort(key=lambda each: each.mean_logprob, reverse=True)
        kept.extend(group[:told])
    return kept

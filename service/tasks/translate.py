"""Translate texts, each by itself: encode it once, then search for the most probable target sentence.

Knows languages' tokenizers and limits. Knows nothing of slots, steps or graphs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service import bundle
from service.bundle import Manifest
from service.domain import Caller, ModelId, Timing, TranslateAnswer, TranslateRequest, Translation
from service.engine.contracts import Prompt
from service.errors import Invalid
from service.tasks.encoding import Encoding
from service.tasks.parts import Parts
from service.tasks.sampling_bounds import check_priority
from service.tasks.tokenizer import load_tokenizer

MAX_TEXTS = 1024
MAX_BEAMS = 8
MAX_LENGTH_PENALTY = 10.0
AT_ONCE = 32
"""So many texts of one request are under way at a time: a long request must not fill every queue."""
INLINE_CHARACTERS = 20_000
"""Requests with more characters are tokenised in a thread."""


@dataclass(frozen=True, slots=True)
class _Search:
    beams: int
    length_penalty: float
    max_tokens: int
    deadline_at_s: float
    caller: Caller


class Translate:
    """Answers `translate` for one model version."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        task = manifest.task
        assert isinstance(task, bundle.Translate)
        self._model = ModelId(manifest.name, manifest.version)
        self._task = task
        self._generator = parts.token_generator()
        encoder = parts.runner(task.encode)
        self._encode = Encoding(encoder, task.source, task.step.context)
        bounds = encoder.signature.input(task.source).range
        source_size = int(bounds[1]) if bounds else task.vocabulary_size
        self._source = load_tokenizer(task.source_tokenizer, parts.directory, source_size)
        self._target = load_tokenizer(task.target_tokenizer, parts.directory, task.vocabulary_size)
        self._longest_source = min(task.max_source_tokens, self._encode.longest or task.max_source_tokens)

    async def run(self, request: TranslateRequest, deadline_at_s: float, client: str = "") -> TranslateAnswer:
        """Return one translation for each text, in their order.

        Texts are under way side by side; if one fails, the others are given up and the whole request fails.
        A `max_tokens` beyond the model's own limit means that limit. `source_tokens` and `target_tokens`
        count the end token. `timing` has the longest wait and the time from then to the last answer, the
        rows of the largest batch and the padding of the worst.

        Raises Invalid (fields `texts`, `texts[2]`, `beams`, `length_penalty`, `max_tokens`, `priority`), and whatever
        `contracts.Runner.run` and `contracts.TokenGenerator.search` raise.
        """
        search = self._check(request, deadline_at_s, client)
        sources = await self._tokenise(request.texts)
        started_at_s = time.monotonic()
        places = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._translate(ids, search, places)) for ids in sources]
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        done = [task.result() for task in tasks]
        timings = [timing for _, timing in done]
        elapsed_s = time.monotonic() - started_at_s
        return TranslateAnswer(
            self._model, tuple(translation for translation, _ in done), _together(timings, elapsed_s)
        )

    def _check(self, request: TranslateRequest, deadline_at_s: float, client: str) -> _Search:
        if not 1 <= len(request.texts) <= MAX_TEXTS:
            raise Invalid(f"expected 1 to {MAX_TEXTS} texts, got {len(request.texts)}", field="texts")
        if not 1 <= request.beams <= MAX_BEAMS:
            raise Invalid(f"expected 1 to {MAX_BEAMS} beams, got {request.beams}", field="beams")
        penalty = request.length_penalty
        if not (math.isfinite(penalty) and abs(penalty) <= MAX_LENGTH_PENALTY):
            raise Invalid(
                f"expected {-MAX_LENGTH_PENALTY:g} to {MAX_LENGTH_PENALTY:g}, got {penalty:g}",
                field="length_penalty",
            )
        limit = self._task.max_new_tokens
        if request.max_tokens is not None and request.max_tokens < 1:
            raise Invalid(f"expected 1 or more, got {request.max_tokens}", field="max_tokens")
        check_priority(request.priority)
        most = min(request.max_tokens or limit, limit)
        return _Search(request.beams, penalty, most, deadline_at_s, Caller(client, request.priority))

    async def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        if sum(map(len, texts)) > INLINE_CHARACTERS:
            return await asyncio.to_thread(self._ids, texts)
        return self._ids(texts)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._ids_of(text, f"texts[{index}]") for index, text in enumerate(texts)]

    def _ids_of(self, text: str, field: str) -> list[int]:
        end = () if self._task.source_tokenizer.adds_special else (self._task.end_id,)
        limit = self._longest_source - len(end)  # the end token takes a place
        if len(text) > self._source.longest(limit):
            raise Invalid(
                f"the text has {len(text)} characters, this model takes {limit} tokens", field=field
            )
        ids = self._source.encode(text, field) if text.strip() else []
        if not ids:
            raise Invalid("expected a text, got nothing but space", field=field)
        if len(ids) > limit:
            raise Invalid(f"the text has {len(ids)} tokens, this model takes at most {limit}", field=field)
        return [*ids, *end]

    async def _translate(
        self, ids: list[int], search: _Search, places: asyncio.Semaphore
    ) -> tuple[Translation, Timing]:
        async with places:
            context, encoded = await self._encode(ids, search.deadline_at_s)
            best = await self._generator.search(
                Prompt((self._task.start_id,), context),
                search.beams,
                search.length_penalty,
                search.max_tokens,
                search.deadline_at_s,
                search.caller,
            )
        text = self._text(best.tokens)
        count = len(best.tokens) + (best.finish_reason == "stop")
        translation = Translation(text, best.score, best.finish_reason, len(ids), count)
        timing = Timing(
            encoded.queue_s + best.queue_s,
            encoded.run_s,
            encoded.batch_rows,
            encoded.reason,
            encoded.padding,
        )
        return translation, timing

    def _text(self, tokens: Sequence[int]) -> str:
        silent = {self._task.start_id, *self._task.end_ids, self._task.pad_id}
        return self._target.decode([token for token in tokens if token not in silent])


def _together(timings: Sequence[Timing], elapsed_s: float) -> Timing:
    """Return one timing for what happened side by side."""
    queue_s = max(timing.queue_s for timing in timings)
    return Timing(
        queue_s,
        max(0.0, elapsed_s - queue_s),
        max(timing.batch_rows for timing in timings),
        timings[0].reason,
        max(timing.padding for timing in timings),
    )


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first

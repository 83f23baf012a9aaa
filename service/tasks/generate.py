"""Continue a prompt: text to tokens, and each token back to text as it comes.

Knows limits, stop strings and counts. Knows nothing of slots, steps or graphs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from service import bundle
from service.bundle import BundleError, Manifest
from service.domain import (
    FinishReason,
    GenerateAnswer,
    GenerateRequest,
    ModelId,
    Sampling,
    TextChunk,
    Timing,
)
from service.engine.contracts import Prompt, Token
from service.errors import Invalid
from service.tasks.detokenizer import Detokenizer
from service.tasks.parts import Parts
from service.tasks.stop import StopMatcher
from service.tasks.tokenizer import Tokenizer, load_tokenizer

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_TEMPERATURE = 100.0
LEAST_TEMPERATURE = 1e-4
"""Below it sampling is greedy: dividing by less only loses digits."""


class Generate:
    """Answers `generate` for one model version."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        task = manifest.task
        assert isinstance(task, bundle.Generate)
        self._model = ModelId(manifest.name, manifest.version)
        self._task = task
        self._generator = parts.token_generator()
        self._tokenizer = load_tokenizer(task.tokenizer, parts.directory, task.vocabulary_size)
        for name, token in (("start_id", task.start_id), ("end_id", task.end_id)):
            if token is not None and not 0 <= token < task.vocabulary_size:
                raise BundleError(f"{name} {token} is outside the vocabulary of {task.vocabulary_size}")

    async def run(self, request: GenerateRequest, deadline_at_s: float) -> GenerateAnswer:
        """Return the whole continuation; raises as `stream`."""
        texts: list[str] = []
        async with aclosing(self.stream(request, deadline_at_s)) as chunks:
            async for chunk in chunks:
                texts.append(chunk.text)
        assert chunk.finish_reason is not None, "the last chunk says why it is the last"
        return GenerateAnswer(
            self._model,
            "".join(texts),
            chunk.finish_reason,
            chunk.prompt_tokens,
            chunk.completion_tokens,
            chunk.timing,
        )

    async def stream(self, request: GenerateRequest, deadline_at_s: float) -> AsyncGenerator[TextChunk, None]:
        """Yield the continuation as it is made, one chunk at least; the last has reason, counts and timing.

        A chunk ends with a whole character, and never with what may be the beginning of a stop string.
        Ends at the model's end token or a stop string (`stop`), or after `max_tokens` (`length`); more than
        the model's `max_new_tokens` means those. `completion_tokens` counts every token that was made, the
        end token and those of the stop string included; `timing.run_s` is the time since the first step.

        Closing the stream frees its slot. Raises Invalid (fields `prompt`, `max_tokens`, `temperature`,
        `top_k`, `top_p`, `seed`, `stop`, `stop[2]`) before the first chunk, and whatever
        `contracts.TokenGenerator.stream` raises.
        """
        sampling = checked_sampling(request.sampling)
        check_stops(request.stop)
        if request.max_tokens < 1:
            raise Invalid(f"expected 1 or more, got {request.max_tokens}", field="max_tokens")
        prompt = self._prompt(request.prompt)
        limit = min(request.max_tokens, self._task.max_new_tokens)
        writer = _Writer(self._tokenizer, request.stop, self._task.end_id)
        started_at_s = time.monotonic()
        made = told = 0
        reason: FinishReason | None = None
        text, queue_s = "", 0.0
        async with aclosing(self._generator.stream(Prompt(prompt), sampling, limit, deadline_at_s)) as tokens:
            async for token in tokens:
                made += 1
                queue_s = token.queue_s
                text, reason = writer.take(token)
                if reason is not None:
                    break
                if text:
                    yield TextChunk(self._model, text, tokens=made - told)
                    told = made
        assert reason is not None, "a token stream ends with a reason"
        run_s = time.monotonic() - started_at_s - queue_s
        yield TextChunk(
            self._model, text, made - told, reason, len(prompt), made, Timing(queue_s, max(run_s, 0.0))
        )

    def _prompt(self, text: str) -> tuple[int, ...]:
        task = self._task
        limit = task.max_prompt_tokens
        if len(text) > self._tokenizer.longest(limit):
            raise Invalid(
                f"the prompt has {len(text)} characters, this model takes {limit} tokens", field="prompt"
            )
        ids = tuple(self._tokenizer.encode(text, "prompt"))
        if not ids and task.start_id is not None:
            return (task.start_id,)
        if not ids:
            raise Invalid("expected a prompt: this model cannot start from nothing", field="prompt")
        if len(ids) > limit:
            raise Invalid(
                f"the prompt has {len(ids)} tokens, this model takes at most {limit}", field="prompt"
            )
        return ids


class _Writer:
    """What becomes of each token: text for the caller, and whether it was the last."""

    def __init__(self, tokenizer: Tokenizer, stops: tuple[str, ...], end_id: int | None) -> None:
        self._detokenizer = Detokenizer(tokenizer)
        self._matcher = StopMatcher(stops)
        self._end_id = end_id

    def take(self, token: Token) -> tuple[str, FinishReason | None]:
        """Return the text that is certain now, and why the answer ends here, if it does."""
        new = "" if token.id == self._end_id else self._detokenizer.push(token.id)
        if token.finish_reason is not None:
            new += self._detokenizer.flush()
        text, stopped = self._matcher.push(new)
        if stopped:
            return text, "stop"
        if token.finish_reason is not None:
            text += self._matcher.flush()
        return text, token.finish_reason


def checked_sampling(sampling: Sampling) -> Sampling:
    """Return the sampling to use; raises Invalid with the name of the parameter that is out of bounds."""
    if not 0 <= sampling.temperature <= MAX_TEMPERATURE:
        raise Invalid(f"expected 0 to {MAX_TEMPERATURE:g}, got {sampling.temperature:g}", field="temperature")
    if sampling.top_k < 0:
        raise Invalid(f"expected 0 (all) or more, got {sampling.top_k}", field="top_k")
    if not 0 < sampling.top_p <= 1:
        raise Invalid(f"expected more than 0 and at most 1, got {sampling.top_p:g}", field="top_p")
    if sampling.seed is not None and not 0 <= sampling.seed < 2**64:
        raise Invalid(f"expected 0 to 2**64 - 1, got {sampling.seed}", field="seed")
    if 0 < sampling.temperature < LEAST_TEMPERATURE:
        return replace(sampling, temperature=0.0)
    return sampling


def check_stops(stops: tuple[str, ...]) -> None:
    """Raise Invalid unless there are few enough stop strings, none of them empty or too long."""
    if len(stops) > MAX_STOPS:
        raise Invalid(f"expected at most {MAX_STOPS} stop strings, got {len(stops)}", field="stop")
    for index, stop in enumerate(stops):
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise Invalid(
                f"expected 1 to {MAX_STOP_CHARACTERS} characters, got {len(stop)}", field=f"stop[{index}]"
            )

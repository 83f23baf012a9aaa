"""Continue a prompt: text to tokens, and each token back to text as it comes.

Knows limits, stop strings and counts. Knows nothing of slots, steps or graphs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from service import bundle
from service.bundle import BundleError, Manifest
from service.domain import (
    GenerateAnswer,
    GenerateRequest,
    ModelId,
    TextChunk,
    Timing,
)
from service.engine.contracts import Prompt
from service.errors import Invalid
from service.tasks.continuation import Continuation, Piece
from service.tasks.parts import Parts
from service.tasks.sampling_bounds import check_stops, checked_sampling
from service.tasks.tokenizer import load_tokenizer


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
        With `echo` and `logprobs` each token of the prompt takes a step, as one that is made.

        Closing the stream frees its slot. Raises Invalid (fields `prompt`, `max_tokens`, `temperature`,
        `top_k`, `top_p`, `seed`, `presence_penalty`, `frequency_penalty`, `logit_bias`, `logprobs`, `stop`,
        `stop[2]`) before the first chunk, and whatever `contracts.TokenGenerator.stream` raises.
        """
        sampling = checked_sampling(request.sampling, self._task.vocabulary_size)
        check_stops(request.stop)
        least = 0 if request.echo else 1
        if request.max_tokens < least:
            raise Invalid(f"expected {least} or more, got {request.max_tokens}", field="max_tokens")
        ids = self._prompt(request.prompt)
        scored = ids if request.echo and sampling.logprobs is not None else ()
        prompt = Prompt(ids[:1], scored=ids[1:]) if scored else Prompt(ids)
        limit = min(request.max_tokens, self._task.max_new_tokens)
        continuation = self._continuation(request, scored)
        piece = Piece("", None) if limit or prompt.scored else continuation.end()
        started_at_s = time.monotonic()
        told = 0
        queue_s = 0.0
        first_at_s = None
        if piece.reason is None:
            async with aclosing(self._generator.stream(prompt, sampling, limit, deadline_at_s)) as tokens:
                async for token in tokens:
                    queue_s = token.queue_s
                    first_at_s = first_at_s or time.monotonic()
                    piece = continuation.take(token)
                    if piece.reason is not None:
                        break
                    if piece.text:
                        made = continuation.made - told
                        yield TextChunk(self._model, piece.text, tokens=made, logprobs=piece.logprobs)
                        told = continuation.made
        assert piece.reason is not None, "a token stream ends with a reason"
        yield TextChunk(
            self._model,
            piece.text,
            continuation.made - told,
            piece.reason,
            len(ids),
            continuation.made,
            _timing(started_at_s, queue_s, first_at_s),
            piece.logprobs,
            continuation.logprob,
        )

    def _continuation(self, request: GenerateRequest, scored: tuple[int, ...]) -> Continuation:
        prompt = request.prompt
        lead = ""
        if request.echo:
            lead = prompt if isinstance(prompt, str) else self._tokenizer.decode(prompt)
        told = request.sampling.logprobs is not None
        return Continuation(self._tokenizer, request.stop, self._task.end_id, lead, scored, logprobs=told)

    def _prompt(self, prompt: str | tuple[int, ...]) -> tuple[int, ...]:
        ids = self._encoded(prompt) if isinstance(prompt, str) else self._known(prompt)
        task = self._task
        if not ids and task.start_id is not None:
            return (task.start_id,)
        if not ids:
            raise Invalid("expected a prompt: this model cannot start from nothing", field="prompt")
        if len(ids) > task.max_prompt_tokens:
            raise Invalid(
                f"the prompt has {len(ids)} tokens, this model takes at most {task.max_prompt_tokens}",
                field="prompt",
            )
        return ids

    def _encoded(self, text: str) -> tuple[int, ...]:
        limit = self._task.max_prompt_tokens
        if len(text) > self._tokenizer.longest(limit):
            raise Invalid(
                f"the prompt has {len(text)} characters, this model takes {limit} tokens", field="prompt"
            )
        return tuple(self._tokenizer.encode(text, "prompt"))

    def _known(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        size = self._tokenizer.size
        for token in ids:
            if not 0 <= token < size:
                raise Invalid(f"expected token ids of 0 to {size - 1}, got {token}", field="prompt")
        return ids


def _timing(started_at_s: float, queue_s: float, first_at_s: float | None) -> Timing:
    """Return how a sequence came about that ends now; its first token was there at `first_at_s`."""
    ran_at_s = started_at_s + queue_s
    first_s = 0.0 if first_at_s is None else max(first_at_s - ran_at_s, 0.0)
    return Timing(queue_s, max(time.monotonic() - ran_at_s, 0.0), first_token_s=first_s)

"""Continue a prompt, or answer it by an encoder and its decoder: text to tokens, and each token back to text as it comes.

Knows limits, stop strings and counts. Knows nothing of slots, steps or graphs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from service import bundle
from service.bundle import BundleError, Manifest
from service.domain import (
    Caller,
    GenerateAnswer,
    GenerateRequest,
    ModelId,
    TextChunk,
    Timing,
)
from service.engine.contracts import Prompt
from service.errors import Invalid
from service.tasks.continuation import Continuation, Piece
from service.tasks.encoding import Encoding
from service.tasks.parts import Parts
from service.tasks.sampling_bounds import check_max_tokens, check_priority, check_stops, checked_sampling
from service.tasks.tokenizer import load_tokenizer


class Generate:
    """Answers `generate` for one model version."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        task = manifest.task
        assert isinstance(task, bundle.Generate)
        self._model = ModelId(manifest.name, manifest.version)
        self._task = task
        self._generator = parts.token_generator()
        self._tokenizer = self._reader = load_tokenizer(task.tokenizer, parts.directory, task.vocabulary_size)
        self._encode: Encoding | None = None
        self._longest = task.max_prompt_tokens
        self._ending: tuple[int, ...] = ()
        if (encoder := task.encoder) is not None:
            self._encode = Encoding(parts.runner(encoder.signature), encoder.source, task.step.context)
            self._reader = load_tokenizer(encoder.tokenizer, parts.directory, encoder.vocabulary_size)
            self._ending = () if encoder.end_id is None else (encoder.end_id,)
            self._longest = min(self._longest, self._encode.longest or self._longest) - len(self._ending)
        ends = [("end_id", token) for token in task.end_ids]
        for name, token in (("start_id", task.start_id), *ends):
            if token is not None and not 0 <= token < task.vocabulary_size:
                raise BundleError(f"{name} {token} is outside the vocabulary of {task.vocabulary_size}")

    async def run(self, request: GenerateRequest, deadline_at_s: float, client: str = "") -> GenerateAnswer:
        """Return the whole continuation; raises as `stream`."""
        texts: list[str] = []
        async with aclosing(self.stream(request, deadline_at_s, client)) as chunks:
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

    async def stream(
        self, request: GenerateRequest, deadline_at_s: float, client: str = ""
    ) -> AsyncGenerator[TextChunk, None]:
        """Yield the continuation as it is made, one chunk at least; the last has reason, counts and timing.

        A chunk ends with a whole character, and never with what may be the beginning of a stop string.
        Ends at the model's end token or a stop string (`stop`), or after `max_tokens` (`length`); more than
        the model's `max_new_tokens`, or than fit its `max_total_tokens`, means those. `completion_tokens` counts
        every token that was made, the end token and those of the stop string included; `timing.run_s` is the
        time since the first step. With `echo` and `logprobs` each token of the prompt takes a step, as one that
        is made.

        `prompt_tokens` counts the end token that an encoder needs. Closing the stream frees its slot.

        Raises Invalid (fields `prompt`, `max_tokens`, `temperature`, `top_k`, `top_p`, `min_p`, `seed`,
        `presence_penalty`, `frequency_penalty`, `repetition_penalty`, `logit_bias`, `logprobs`, `priority`, `stop`,
        `stop[2]`) before the first chunk, and whatever `contracts.TokenGenerator.stream` and, with an encoder,
        `contracts.Runner.run` raise.
        """
        sampling = checked_sampling(request.sampling, self._task.vocabulary_size)
        check_stops(request.stop)
        check_priority(request.priority)
        check_max_tokens(request)
        ids = self._prompt(request.prompt)
        scored = self._scored(request, ids)
        limit = self._limit(request, len(ids))
        continuation = self._continuation(request, scored)
        piece = Piece("", None) if limit or scored[1:] else continuation.end()
        started_at_s = time.monotonic()
        told = 0
        queue_s = 0.0
        caller = Caller(client, request.priority)
        if piece.reason is None:
            prompt, waited_s = await self._start(ids, scored, deadline_at_s)
            stream = self._generator.stream(prompt, sampling, limit, deadline_at_s, caller)
            async with aclosing(stream) as tokens:
                async for token in tokens:
                    queue_s = waited_s + token.queue_s
                    piece = continuation.take(token)
                    if piece.reason is not None:
                        break
                    if piece.text:
                        made = continuation.made - told
                        yield TextChunk(self._model, piece.text, tokens=made, logprobs=piece.logprobs)
                        told = continuation.made
        assert piece.reason is not None, "a token stream ends with a reason"
        run_s = time.monotonic() - started_at_s - queue_s
        yield TextChunk(
            self._model,
            piece.text,
            continuation.made - told,
            piece.reason,
            len(ids),
            continuation.made,
            Timing(queue_s, max(run_s, 0.0)),
            piece.logprobs,
            continuation.logprob,
        )

    def _limit(self, request: GenerateRequest, prompt_tokens: int) -> int:
        limit = min(request.max_tokens, self._task.max_new_tokens)
        total = self._task.max_total_tokens
        return limit if total is None else min(limit, max(1, total - prompt_tokens))

    def _continuation(self, request: GenerateRequest, scored: tuple[int, ...]) -> Continuation:
        prompt = request.prompt
        lead = ""
        if request.echo:
            lead = prompt if isinstance(prompt, str) else self._reader.decode(prompt)
        told = request.sampling.logprobs is not None
        return Continuation(self._tokenizer, request.stop, lead, scored, logprobs=told)

    def _prompt(self, prompt: str | tuple[int, ...]) -> tuple[int, ...]:
        ids = self._encoded(prompt) if isinstance(prompt, str) else self._known(prompt)
        task = self._task
        if not ids and task.start_id is not None and self._encode is None:
            return (task.start_id,)
        if not ids:
            raise Invalid("expected a prompt: this model cannot start from nothing", field="prompt")
        if len(ids) > self._longest:
            raise Invalid(
                f"the prompt has {len(ids)} tokens, this model takes at most {self._longest}",
                field="prompt",
            )
        return (*ids, *self._ending)

    def _scored(self, request: GenerateRequest, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the prompt if its tokens are to be scored: those after the first are told with a logprob."""
        if not request.echo or request.sampling.logprobs is None:
            return ()
        if self._encode is not None:
            raise Invalid(
                "expected no logprobs: this model reads its prompt with an encoder, which scores none of it",
                field="echo",
            )
        return ids

    async def _start(
        self, ids: tuple[int, ...], scored: tuple[int, ...], deadline_at_s: float
    ) -> tuple[Prompt, float]:
        """Return what the step graph starts from, and how long the encoder's queue took."""
        if self._encode is None:
            return (Prompt(ids[:1], scored=ids[1:]) if scored else Prompt(ids)), 0.0
        assert self._task.start_id is not None, "a task with an encoder has a start"
        context, timing = await self._encode(ids, deadline_at_s)
        return Prompt((self._task.start_id,), context), timing.queue_s

    def _encoded(self, text: str) -> tuple[int, ...]:
        if len(text) > self._reader.longest(self._longest):
            raise Invalid(
                f"the prompt has {len(text)} characters, this model takes {self._longest} tokens",
                field="prompt",
            )
        return tuple(self._reader.encode(text, "prompt"))

    def _known(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        size = self._reader.size
        for token in ids:
            if not 0 <= token < size:
                raise Invalid(f"expected token ids of 0 to {size - 1}, got {token}", field="prompt")
        return ids

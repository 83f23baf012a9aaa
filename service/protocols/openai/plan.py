"""What a request comes to: one sequence for each prompt and try, with a seed of its own.

Pure. Knows nothing of bodies, documents or streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.domain import GenerateRequest, ModelRef
from service.errors import Invalid

MAX_SEQUENCES = 128
"""Sequences that one request may ask for: its prompts times `n` or `best_of`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sequences to make, those of one prompt after those of another: `made` for each, of which `told` are told.

    `prompt_field` is where the prompts came from.
    """

    ref: ModelRef
    sequences: tuple[GenerateRequest, ...]
    made: int
    told: int
    stream: bool
    include_usage: bool
    prompt_field: str = "prompt"


def sequences(requests: Sequence[GenerateRequest], tries: int) -> tuple[GenerateRequest, ...]:
    """Return `tries` sequences for each of `requests`; the i-th of each, from 0, has the request's seed plus i.

    A prompt among others is thus continued as it would be alone. Raises Invalid if they are too many.
    """
    if len(requests) * tries > MAX_SEQUENCES:
        raise Invalid(
            f"expected at most {MAX_SEQUENCES} sequences (prompts times n or best_of), "
            f"got {len(requests) * tries}",
            field="n",
        )
    return tuple(_shifted(request, index) for request in requests for index in range(tries))


def _shifted(request: GenerateRequest, index: int) -> GenerateRequest:
    seed = request.sampling.seed
    if seed is None:
        return request
    return replace(request, sampling=replace(request.sampling, seed=(seed + index) % 2**64))

"""What a caller may ask of sampling and of stop strings.

Knows names and bounds. Knows nothing of models beyond the size of a vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain import HIGHEST_PRIORITY, LOWEST_PRIORITY, GenerateRequest, Sampling
from service.errors import Invalid

MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_TEMPERATURE = 100.0
LEAST_TEMPERATURE = 1e-4
"""Below it sampling is greedy: dividing by less only loses digits."""
MAX_TOP_K = 2**31 - 1
MAX_PENALTY = 2.0
MAX_REPETITION_PENALTY = 10.0
MAX_BIAS = 100.0
MAX_BIASES = 1024
MAX_LOGPROBS = 20


def checked_sampling(sampling: Sampling, vocabulary_size: int) -> Sampling:
    """Return the sampling to use; raises Invalid with the name of the parameter that is out of bounds."""
    if not 0 <= sampling.temperature <= MAX_TEMPERATURE:
        raise Invalid(f"expected 0 to {MAX_TEMPERATURE:g}, got {sampling.temperature:g}", field="temperature")
    if not 0 <= sampling.top_k <= MAX_TOP_K:
        raise Invalid(f"expected 0 (all) to {MAX_TOP_K}, got {sampling.top_k}", field="top_k")
    if not 0 < sampling.top_p <= 1:
        raise Invalid(f"expected more than 0 and at most 1, got {sampling.top_p:g}", field="top_p")
    if not 0 <= sampling.min_p <= 1:
        raise Invalid(f"expected 0 to 1, got {sampling.min_p:g}", field="min_p")
    if sampling.seed is not None and not 0 <= sampling.seed < 2**64:
        raise Invalid(f"expected 0 to 2**64 - 1, got {sampling.seed}", field="seed")
    if sampling.logprobs is not None and not 0 <= sampling.logprobs <= MAX_LOGPROBS:
        raise Invalid(f"expected 0 to {MAX_LOGPROBS}, got {sampling.logprobs}", field="logprobs")
    _check_penalties(sampling)
    _check_bias(sampling.logit_bias, vocabulary_size)
    if 0 < sampling.temperature < LEAST_TEMPERATURE:
        return replace(sampling, temperature=0.0)
    return sampling


def _check_penalties(sampling: Sampling) -> None:
    penalties = {
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    for name, penalty in penalties.items():
        if not -MAX_PENALTY <= penalty <= MAX_PENALTY:
            raise Invalid(f"expected {-MAX_PENALTY:g} to {MAX_PENALTY:g}, got {penalty:g}", field=name)
    if not 0 < sampling.repetition_penalty <= MAX_REPETITION_PENALTY:
        raise Invalid(
            f"expected more than 0 and at most {MAX_REPETITION_PENALTY:g}, got {sampling.repetition_penalty:g}",
            field="repetition_penalty",
        )


def _check_bias(biases: tuple[tuple[int, float], ...], vocabulary_size: int) -> None:
    if len(biases) > MAX_BIASES:
        raise Invalid(f"expected at most {MAX_BIASES} tokens, got {len(biases)}", field="logit_bias")
    for token, bias in biases:
        if not 0 <= token < vocabulary_size:
            raise Invalid(
                f"expected token ids of 0 to {vocabulary_size - 1}, got {token}", field="logit_bias"
            )
        if not -MAX_BIAS <= bias <= MAX_BIAS:
            raise Invalid(
                f"expected {-MAX_BIAS:g} to {MAX_BIAS:g} for token {token}, got {bias:g}", field="logit_bias"
            )


def check_stops(stops: tuple[str, ...]) -> None:
    """Raise Invalid unless there are few enough stop strings, none of them empty or too long."""
    if len(stops) > MAX_STOPS:
        raise Invalid(f"expected at most {MAX_STOPS} stop strings, got {len(stops)}", field="stop")
    for index, stop in enumerate(stops):
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise Invalid(
                f"expected 1 to {MAX_STOP_CHARACTERS} characters, got {len(stop)}", field=f"stop[{index}]"
            )


def check_priority(priority: int) -> None:
    """Raise Invalid unless the priority is one of those there are."""
    if not HIGHEST_PRIORITY <= priority <= LOWEST_PRIORITY:
        raise Invalid(
            f"expected {HIGHEST_PRIORITY} (first) to {LOWEST_PRIORITY} (last), got {priority}",
            field="priority",
        )


def check_max_tokens(request: GenerateRequest) -> None:
    """Raise Invalid unless something is asked for: a token, or the prompt's own text."""
    least = 0 if request.echo else 1
    if request.max_tokens < least:
        raise Invalid(f"expected {least} or more, got {request.max_tokens}", field="max_tokens")

"""Text in, text out, for models that generate: `text_input` to `text_output`.

Knows the names that callers use for sampling. Knows no wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from service.domain import LOWEST_PRIORITY, GenerateRequest, ModelRef, Sampling
from service.errors import Invalid
from service.protocols.oip.asking import Asked, flag
from service.protocols.oip.reference import naming

if TYPE_CHECKING:
    from service.gateway import Gateway

TEXT_INPUT = "text_input"
TEXT_OUTPUT = "text_output"
_SAMPLING_PARAMETERS = "sampling_parameters"
DEFAULT_LEVEL = 10
"""The priority that requests without one have among those of 1 and more."""
_STOPS = ("stop", "stop_words")


def means_text(gateway: Gateway, ref: ModelRef, asked: Asked) -> bool:
    """Say whether an inference request asks a model that generates to continue a text.

    It does if it has an input `text_input`, the model generates, and no signature is asked for by name.
    Raises NotFound and Unavailable as `Gateway.describe`.
    """
    if TEXT_INPUT not in asked.inputs or asked.signature is not None:
        return False
    with naming(ref):
        _, manifest = gateway.describe(ref)
    names = {tensor.name for tensor in manifest.default.inputs}
    return manifest.task.word == "generate" and TEXT_INPUT not in names


def request_of_tensors(asked: Asked) -> GenerateRequest:
    """Return the request of an inference request: one-element inputs count as parameters. Raises Invalid."""
    given = dict(asked.parameters)
    for name, array in asked.inputs.items():
        if array.size != 1:
            raise Invalid(f"input '{name}': expected one element, got {array.size}", field=f"inputs.{name}")
        value = array.reshape(-1)[0]
        value = value.item() if hasattr(value, "item") else value
        given[name] = _decoded(name, value) if isinstance(value, bytes) else value
    return request_of(given)


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"input '{name}': expected UTF-8", field=f"inputs.{name}") from error


def request_of(given: Mapping[str, Any]) -> GenerateRequest:
    """Return the request by its plain values; what is not known is the caller's own. Raises Invalid."""
    given = {**given, **_sampling_parameters(given)}
    text = given.get(TEXT_INPUT)
    if not isinstance(text, str):
        raise Invalid("expected a string", field=TEXT_INPUT)
    seed = given.get("seed")
    return GenerateRequest(
        prompt=text,
        max_tokens=_integer(given, "max_tokens", 128),
        sampling=Sampling(
            temperature=_number(given, "temperature", 1.0),
            top_k=_integer(given, "top_k", 0),
            top_p=_number(given, "top_p", 1.0),
            seed=None if seed is None else _integer(given, "seed", 0),
            min_p=_number(given, "min_p", 0.0),
            presence_penalty=_number(given, "presence_penalty", 0.0),
            frequency_penalty=_number(given, "frequency_penalty", 0.0),
            repetition_penalty=_number(given, "repetition_penalty", 1.0),
        ),
        stop=_stops(given),
        echo=_echoes(given),
        priority=_priority(given),
    )


def _priority(given: Mapping[str, Any]) -> int:
    """Return the priority: 1 is the highest there is and 0 stands for none, as in Triton. Raises Invalid."""
    priority = _integer(given, "priority", 0)
    if not 0 <= priority <= DEFAULT_LEVEL + LOWEST_PRIORITY:
        raise Invalid(f"expected 0 to {DEFAULT_LEVEL + LOWEST_PRIORITY}, got {priority}", field="priority")
    return priority - DEFAULT_LEVEL if priority else 0


def _echoes(given: Mapping[str, Any]) -> bool:
    """Say whether the prompt is to stand before the answer: only who asks for it gets it. Raises Invalid."""
    return "exclude_input_in_output" in given and not flag(given, "exclude_input_in_output")


def _sampling_parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what lies in `sampling_parameters`, a JSON object within a string."""
    packed = given.get(_SAMPLING_PARAMETERS)
    if packed is None:
        return {}
    try:
        unpacked = orjson.loads(packed) if isinstance(packed, str) else packed
    except orjson.JSONDecodeError as error:
        raise Invalid("expected a JSON object", field=_SAMPLING_PARAMETERS) from error
    if not isinstance(unpacked, dict):
        raise Invalid("expected a JSON object", field=_SAMPLING_PARAMETERS)
    return {name: value for name, value in unpacked.items() if name != TEXT_INPUT}


def _integer(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    # JSON sent through a map of strings and numbers may come back with a decimal point.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**64:
        raise Invalid("expected a whole number", field=name)
    return value


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    if type(value) not in (int, float) or abs(value) > 1e300:
        raise Invalid("expected a number", field=name)
    return float(value)


def _stops(given: Mapping[str, Any]) -> tuple[str, ...]:
    for name in _STOPS:
        value = given.get(name)
        if value is None:
            continue
        stops = [value] if isinstance(value, str) else value
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            raise Invalid("expected a string or a list of strings", field=name)
        return tuple(stops)
    return ()

"""What a caller asks for, the same whether it came as JSON, binary or protobuf.

Knows nouns and the parameters that mean something here. Knows no wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain import Array
from service.errors import Invalid, TooLarge
from service.protocols.oip.shared_memory import Place

MAX_TIMEOUT_US = 2**63 - 1
MAX_TENSORS = 4096
"""Inputs, and outputs, of one request: each is looked at one by one."""
MAX_PARAMETERS = 256
"""Parameters of a request or of one of its tensors."""
EMPTY_FINAL_RESPONSE = "triton_enable_empty_final_response"
_RESERVED = "triton_"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for: as binary data or not, and the `classes` best of it in place of its values.

    With a `place` it goes there and not into the answer.
    """

    name: str
    binary: bool = False
    classes: int = 0
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One inference request. `wanted` empty means all outputs, as binary data if `binary`.

    `timeout_s` is what the schedule policy's `timeout` says, None without one. `parameters` are the caller's
    own and those that have been understood.
    """

    inputs: Mapping[str, Array]
    wanted: tuple[Wanted, ...] = ()
    binary: bool = False
    id: str = ""
    signature: str | None = None
    timeout_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classifies(self) -> bool:
        """Whether any output is asked for by its best classes."""
        return any(each.classes for each in self.wanted)


def asked(
    inputs: Mapping[str, Array],
    wanted: tuple[Wanted, ...],
    request_id: str,
    parameters: Mapping[str, Any],
) -> Asked:
    """Return the request with its parameters understood; raises Invalid."""
    names = [each.name for each in wanted]
    if len(set(names)) < len(names):
        raise Invalid("the same output is asked for twice", field="outputs")
    _check_reserved(parameters)
    whole_number(parameters, "priority", 2**64 - 1)
    microseconds = whole_number(parameters, "timeout", MAX_TIMEOUT_US)
    return Asked(
        inputs=inputs,
        wanted=wanted,
        binary=flag(parameters, "binary_data_output"),
        id=request_id,
        signature=text(parameters, "signature"),
        timeout_s=microseconds / 1e6 if microseconds else None,
        parameters=parameters,
    )


def check_count(count: int, highest: int, field: str) -> None:
    """Raise TooLarge if a request has more than `highest` of what `field` holds."""
    if count > highest:
        raise TooLarge(f"expected at most {highest} entries, got {count}", field=field)


def _check_reserved(parameters: Mapping[str, Any]) -> None:
    for name in parameters:
        if name.startswith(_RESERVED) and name != EMPTY_FINAL_RESPONSE:
            raise Invalid(
                f"parameter keys starting with '{_RESERVED}' are reserved. "
                f"Only the following keys starting with '{_RESERVED}' are allowed: {EMPTY_FINAL_RESPONSE}",
                field=f"parameters.{name}",
            )


def wanted_output(name: str, parameters: Mapping[str, Any], place: Place | None, *, binary: bool) -> Wanted:
    """Return an output as its parameters want it, `binary` if they say nothing; raises Invalid."""
    field = f"outputs.{name}"
    return Wanted(
        name,
        flag(parameters, "binary_data", field) if "binary_data" in parameters else binary,
        whole_number(parameters, "classification", 2**31 - 1, field),
        place,
    )


def flag(parameters: Mapping[str, Any], name: str, within: str = "parameters") -> bool:
    """Return a boolean parameter, False if it is not there; raises Invalid."""
    value = parameters.get(name, False)
    if type(value) is not bool:
        raise Invalid(f"expected true or false for parameter '{name}'", field=f"{within}.{name}")
    return value


def whole_number(parameters: Mapping[str, Any], name: str, highest: int, within: str = "parameters") -> int:
    """Return a parameter of 0 to `highest`, 0 if it is not there; raises Invalid."""
    value = parameters.get(name, 0)
    if type(value) is not int or not 0 <= value <= highest:
        raise Invalid(
            f"expected a whole number of 0 to {highest} for parameter '{name}'", field=f"{within}.{name}"
        )
    return value


def text(parameters: Mapping[str, Any], name: str) -> str | None:
    """Return a parameter that is a string, None if it is not there; raises Invalid."""
    value = parameters.get(name)
    if value is not None and type(value) is not str:
        raise Invalid(f"expected a string for parameter '{name}'", field=f"parameters.{name}")
    return value

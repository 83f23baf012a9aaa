"""What one request brings beside what lies in its own bytes, within bounds: strings, and tensors in shared memory.

Knows the parameters that place a tensor. Knows no wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.errors import Invalid, TooLarge
from service.protocols.oip.asking import whole_number
from service.protocols.oip.shared_memory import Place, SharedMemory

MAX_STRINGS = 2**17
"""Strings are read one by one: so many take the event loop some tens of milliseconds."""
REGION = "shared_memory_region"
_HIGHEST = 2**63 - 1


class Intake:
    """The bounds of one request. Without `shared_memory`, none of its tensors may be there."""

    def __init__(self, shared_memory: SharedMemory | None = None) -> None:
        self._shared_memory = shared_memory
        self._left_bytes = shared_memory.max_request_bytes if shared_memory else 0
        self._left_strings = MAX_STRINGS

    def count_strings(self, name: str, count: int) -> None:
        """Take the strings of input `name` into account; raises TooLarge if the request has too many of them."""
        self._left_strings -= count
        if self._left_strings < 0:
            raise TooLarge(
                f"input '{name}': expected at most {MAX_STRINGS} strings in a request", field=f"inputs.{name}"
            )

    def read(self, name: str, parameters: Mapping[str, Any]) -> memoryview:
        """Return the bytes of input `name`, which is in shared memory; raises ServiceError."""
        place = self._place(f"inputs.{name}", f"input '{name}'", parameters)
        if place.byte_size > self._left_bytes:
            assert self._shared_memory is not None, "it has found the place"
            raise TooLarge(
                f"input '{name}': the inputs in shared memory are larger than "
                f"{self._shared_memory.max_request_bytes} bytes",
                field=f"inputs.{name}",
            )
        self._left_bytes -= place.byte_size
        return place.region.read(place.offset, place.byte_size)

    def place_of(self, name: str, parameters: Mapping[str, Any]) -> Place | None:
        """Return where output `name` is to go, None if it goes into the answer; raises ServiceError."""
        if REGION not in parameters:
            return None
        if parameters.get("classification"):
            raise Invalid("shared memory can't be set on classification output", field=f"outputs.{name}")
        return self._place(f"outputs.{name}", f"output '{name}'", parameters)

    def _place(self, field: str, what: str, parameters: Mapping[str, Any]) -> Place:
        if self._shared_memory is None:
            raise Invalid(f"{what}: shared memory is not enabled", field=field)
        region = parameters[REGION]
        if type(region) is not str:
            raise Invalid(f"{what}: expected a string for {REGION}", field=field)
        if "shared_memory_byte_size" not in parameters:
            raise Invalid(f"{what}: expected shared_memory_byte_size with {REGION}", field=field)
        byte_size = whole_number(parameters, "shared_memory_byte_size", _HIGHEST, field)
        offset = whole_number(parameters, "shared_memory_offset", _HIGHEST, field)
        return self._shared_memory.region(region).place(offset, byte_size)

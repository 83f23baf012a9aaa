"""Load or unload a model: what a request's parameters mean, the same whether they came as JSON or protobuf.

Knows control of the repository, which is handed to it. Knows no wire, and nothing of who may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.errors import Invalid, Unsupported
from service.protocols.oip.asking import flag
from service.protocols.oip.reference import model_ref, naming

if TYPE_CHECKING:
    from service.repository.control import Control


async def carry_out(
    control: Control, action: str, name: str, parameters: Mapping[str, Any], deadline_at_s: float
) -> None:
    """Do the `action`, "load" or "unload", and return when that is done.

    Raises Invalid and Unsupported for parameters, and what `Control` raises.
    """
    _check(action, parameters)
    ref = model_ref(name, "")
    with naming(ref):
        if action == "load":
            await control.load(name, deadline_at_s)
        else:
            await control.unload(name, deadline_at_s)


def _check(action: str, parameters: Mapping[str, Any]) -> None:
    for name in parameters:
        field = f"parameters.{name}"
        if action == "unload" and name == "unload_dependents":
            flag(parameters, name)  # no model here depends on another
        elif action == "load" and (name == "config" or name.startswith("file:")):
            raise Unsupported(
                "a model is loaded as it lies in the repository: 'config' and 'file:' overrides are not taken",
                field=field,
            )
        else:
            raise Invalid(f"unknown parameter of {action}", field=field)

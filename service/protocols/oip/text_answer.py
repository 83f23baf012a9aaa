"""Generated text as the output tensor `text_output`.

Knows the gateway's generate, at once and in pieces. Knows no wire.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import numpy as np

from service.domain import Call, ModelRef
from service.errors import Invalid
from service.protocols.oip import generation
from service.protocols.oip.asking import Asked
from service.protocols.oip.datatypes import BYTES
from service.protocols.oip.generation import TEXT_OUTPUT
from service.protocols.oip.inference import Inferred, Output, within
from service.protocols.oip.reference import naming

if TYPE_CHECKING:
    from service.gateway import Gateway


async def answer(gateway: Gateway, ref: ModelRef, asked: Asked, call: Call) -> Inferred:
    """Return the whole text as one answer; raises whatever `Gateway.generate` raises."""
    request = generation.request_of_tensors(asked)
    _check_outputs(asked)
    with naming(ref):
        found = await gateway.generate(ref, request, within(call, asked.timeout_s))
    return Inferred(found.model, asked.id, _outputs(found.text, asked), found.timing)


async def answers(
    gateway: Gateway, ref: ModelRef, asked: Asked, call: Call
) -> AsyncGenerator[tuple[Inferred, bool], None]:
    """Yield the text piece by piece, each with whether it is the last; raises as `answer`."""
    request = generation.request_of_tensors(asked)
    _check_outputs(asked)
    stream = gateway.generate_stream(ref, request, within(call, asked.timeout_s))
    with naming(ref):
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                outputs = _outputs(chunk.text, asked)
                yield Inferred(chunk.model, asked.id, outputs, chunk.timing), chunk.finish_reason is not None


def _check_outputs(asked: Asked) -> None:
    for each in asked.wanted:
        if each.name != TEXT_OUTPUT or each.classes:
            raise Invalid(f"expected the output '{TEXT_OUTPUT}'", field=f"outputs.{each.name}")
        if each.place is not None:
            raise Invalid("generated text does not go into shared memory", field=f"outputs.{each.name}")


def _outputs(text: str, asked: Asked) -> tuple[Output, ...]:
    array = np.empty(1, object)
    array[0] = text
    wanted = asked.wanted
    return (Output(TEXT_OUTPUT, BYTES, array, wanted[0].binary if wanted else asked.binary),)

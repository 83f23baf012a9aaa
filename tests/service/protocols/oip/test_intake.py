"""What one request may bring: so many strings, tensors, parameters and classes, and no parameters of ours."""

import time
from typing import Any

import numpy as np
import orjson
import pytest

from pb import oip_pb2 as pb
from service.domain import Call, ModelRef
from service.errors import Invalid, TooLarge
from service.protocols.oip import bodies, messages
from service.protocols.oip.asking import MAX_PARAMETERS, MAX_TENSORS, Asked, Wanted
from service.protocols.oip.inference import infer
from service.protocols.oip.intake import MAX_STRINGS
from tests.support.gateway import FakeGateway

X = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}


@pytest.mark.parametrize("given", [[MAX_STRINGS + 1], [MAX_STRINGS, 1]])
def test_strings_are_counted_before_they_are_read(given: list[int]) -> None:
    message = pb.ModelInferRequest()
    tensors = []
    for index, count in enumerate(given):
        data = bytes(4 * count)
        message.inputs.add(name=f"x{index}", datatype="BYTES", shape=[count])
        message.raw_input_contents.append(data)
        parameters = {"binary_data_size": len(data)}
        tensors.append({"name": f"x{index}", "datatype": "BYTES", "shape": [count], "parameters": parameters})
    with pytest.raises(TooLarge, match=f"at most {MAX_STRINGS} strings"):
        messages.decode(message)
    header = orjson.dumps({"inputs": tensors})
    with pytest.raises(TooLarge, match=f"at most {MAX_STRINGS} strings"):
        bodies.decode(header + bytes(4 * sum(given)), len(header))


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [{"name": str(each)} for each in range(MAX_TENSORS + 1)]},
        {"inputs": [X], "outputs": [{"name": str(each)} for each in range(MAX_TENSORS + 1)]},
        {"inputs": [X], "parameters": {str(each): 1 for each in range(MAX_PARAMETERS + 1)}},
        {"inputs": [{**X, "parameters": {str(each): 1 for each in range(MAX_PARAMETERS + 1)}}]},
    ],
)
def test_json_of_too_many_parts_is_too_large(document: dict[str, Any]) -> None:
    with pytest.raises(TooLarge, match="expected at most"):
        bodies.decode(orjson.dumps(document), None)


def test_messages_of_too_many_parts_are_too_large() -> None:
    inputs, outputs, parameters = (pb.ModelInferRequest() for _ in range(3))
    for each in range(MAX_TENSORS + 1):
        inputs.inputs.add(name=str(each))
        outputs.outputs.add(name=str(each))
    for each in range(MAX_PARAMETERS + 1):
        parameters.parameters[str(each)].int64_param = 1
    for message in (inputs, outputs, parameters):
        with pytest.raises(TooLarge, match="expected at most"):
            messages.decode(message)


def test_reserved_parameters_are_refused() -> None:
    for name, known in (("triton_final_response", False), ("triton_enable_empty_final_response", True)):
        body = orjson.dumps({"inputs": [X], "parameters": {name: True}})
        if known:
            assert bodies.decode(body, None).parameters == {name: True}
        else:
            with pytest.raises(Invalid, match="reserved"):
                bodies.decode(body, None)


async def test_classes_are_bounded_by_what_is_there(gateway: FakeGateway) -> None:
    gateway.outputs = {"p": np.zeros((MAX_STRINGS // 2 + 1, 2), np.float32)}
    call = Call("a-1", "rest", time.monotonic() + 20)
    one = Asked({}, (Wanted("p", classes=1),))
    answer = await infer(gateway, ModelRef("fake"), one, call)
    assert answer.outputs[0].array.shape == (MAX_STRINGS // 2 + 1, 1)
    with pytest.raises(TooLarge, match="classes"):
        await infer(gateway, ModelRef("fake"), Asked({}, (Wanted("p", classes=9),)), call)

"""Build an ONNX graph node by node, where the converter's graph is slow or cannot be had.

Knows the ONNX format, and nothing of any model. Opset 18 with IR version 10, which ONNX Runtime has read since 1.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import Tensor

if TYPE_CHECKING:
    import onnx

OPSET = 18
IR_VERSION = 10


class Builder:
    """Collects nodes and weights; a value is known by its name, and every method returns one."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._count = 0

    def constant(self, value: NDArray[Any]) -> str:
        """Add a weight; equal small constants are kept once."""
        array = np.array(value, order="C")  # np.ascontiguousarray would give a scalar an axis
        for name, other in self._constants.items() if array.size <= 8 else ():
            if (other.dtype, other.shape) == (array.dtype, array.shape) and np.array_equal(other, array):
                return name
        name = f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def ints(self, *values: int) -> str:
        """Add a vector of int64: axes, shapes, indices."""
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node of one output, which is called `output`, or else after its operator."""
        return self.nodes(operator, *inputs, outputs=(output,), **attributes)[0]

    def nodes(
        self, operator: str, *inputs: str, outputs: Sequence[str | None], **attributes: Any
    ) -> list[str]:
        """Add a node of several outputs; None is named after the operator, "" is left out."""
        from onnx import helper  # noqa: PLC0415  # half a second; not for `--help`

        names = [self._fresh(operator) if name is None else name for name in outputs]
        self._nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def _fresh(self, operator: str) -> str:
        self._count += 1
        return f"{operator.lower()}_{self._count}"

    def model(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.ModelProto:
        """Return the graph with these inputs and outputs."""
        from onnx import helper, numpy_helper  # noqa: PLC0415

        graph = helper.make_graph(
            self._nodes,
            name,
            [_value(tensor) for tensor in inputs],
            [_value(tensor) for tensor in outputs],
            [numpy_helper.from_array(value, key) for key, value in self._constants.items()],
        )
        return helper.make_model(
            graph,
            producer_name="sluice",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )


def _value(tensor: Tensor) -> Any:
    from onnx import helper  # noqa: PLC0415

    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return helper.make_tensor_value_info(tensor.name, dtype, list(tensor.shape))

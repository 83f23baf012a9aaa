"""A request without any JSON: the whole body is the only input of the model's default signature.

Pure. Knows signatures; knows no HTTP.
"""

from __future__ import annotations

import math

import numpy as np

from service.bundle import Manifest, Tensor
from service.domain import Array
from service.errors import Invalid
from service.protocols.oip import binary
from service.protocols.oip.asking import Asked
from service.protocols.oip.datatypes import BYTES, NUMPY, OF_DTYPE


def decode(body: bytes, manifest: Manifest) -> Asked:
    """Return the request for one row of the only input; all outputs are to be binary. Raises Invalid.

    At most one axis beside the batch may be free: its size follows from the length of the body. BYTES must
    have one element, which is the body itself.
    """
    inputs = manifest.default.inputs
    if len(inputs) != 1:
        raise Invalid(
            f"Raw request must only have 1 input (found {len(inputs)}) to be deduced", field="inputs"
        )
    (tensor,) = inputs
    return Asked({tensor.name: _array(tensor, body)}, binary=True)


def _array(tensor: Tensor, body: bytes) -> Array:
    datatype = OF_DTYPE[tensor.dtype]
    sizes = [1 if axis == "batch" else axis for axis in tensor.shape]
    free = [place for place, size in enumerate(sizes) if isinstance(size, str)]
    if datatype == BYTES:
        return _text(tensor, sizes, body)
    if len(free) > 1:
        raise Invalid(
            f"Raw request must have at most one variable dimension, input '{tensor.name}' has {len(free)}",
            field=f"inputs.{tensor.name}",
        )
    unit = math.prod(size for size in sizes if isinstance(size, int)) * NUMPY[datatype].itemsize
    if free:
        if unit == 0 or len(body) % unit:
            raise Invalid(
                f"input '{tensor.name}': {len(body)} bytes are not a multiple of {unit}",
                field=f"inputs.{tensor.name}",
            )
        sizes[free[0]] = len(body) // unit
    return binary.decode(tensor.name, datatype, tuple(size for size in sizes if isinstance(size, int)), body)


def _text(tensor: Tensor, sizes: list[int | str], body: bytes) -> Array:
    if any(size != 1 for size in sizes):
        raise Invalid(
            f"For BYTES datatype raw input '{tensor.name}', the model must have input shape [1]",
            field=f"inputs.{tensor.name}",
        )
    element = np.empty([1] * len(sizes), object)
    element[...] = body
    return element

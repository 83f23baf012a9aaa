"""From Examples to the arrays of a signature, as the manifest declares it.

Knows features, arrays and pictures. Knows no wire and no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from service.bundle import ExampleFeature, Examples, ImageInput, Signature, Tensor
from service.domain import Array
from service.errors import Invalid, TooLarge
from service.protocols.tfserving.examples import Example
from service.protocols.tfserving.faults import quoted
from service.protocols.tfserving.values import MisfitError, is_base64, to_array
from service.tasks.images import ImageReader

_TYPES: dict[str, tuple[type, ...]] = {"float": (int, float), "int64": (int,), "bytes": (str, bytes, dict)}
_TYPE_NAMES = {"float": "float", "int64": "int64", "bytes": "string"}


class FeatureReader:
    """Reads the features of Examples; a request's pictures may unpack to `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pictures: dict[ImageInput, ImageReader] = {}

    async def arrays(
        self, examples: Sequence[Example], declared: Examples, signature: Signature, deadline_at_s: float
    ) -> dict[str, Array]:
        """Return each input, one row for each example; other features are ignored.

        Whole numbers are taken for floats. Raises Invalid for a feature that is missing or does not fit, TooLarge
        and TimedOut for pictures.
        """
        arrays = {}
        for name, features in declared.inputs.items():
            image = features[0].image if features else None
            if image is not None:
                arrays[name] = await self._images(examples, features[0].name, image, deadline_at_s)
            else:
                arrays[name] = _rows(examples, features, signature.input(name))
        return arrays

    async def _images(
        self, examples: Sequence[Example], name: str, image: ImageInput, deadline_at_s: float
    ) -> Array:
        size = image.height * image.width * image.channels * np.dtype(np.float32).itemsize
        if len(examples) * size > self._max_bytes:
            raise TooLarge(f"these pictures are larger than {self._max_bytes} bytes", field="examples")
        reader = self._pictures.setdefault(image, ImageReader(image))
        feature = ExampleFeature(name=name, kind="bytes")
        rows = []
        for index, example in enumerate(examples):
            (value,) = _values(example, feature, index)
            try:
                # Half a surrogate pair is no picture either.
                data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
                rows.append(await reader.decode(data, deadline_at_s))
            except Invalid as error:
                raise Invalid(error.message, field=_where(index, name)) from error
            await asyncio.sleep(0)  # many small pictures must not keep the loop to themselves
        return np.concatenate(rows)


def _rows(examples: Sequence[Example], features: Sequence[ExampleFeature], tensor: Tensor) -> Array:
    """Return [examples, …] of the tensor's dtype; raises Invalid."""
    shape = (len(examples), *(size for size in tensor.shape[1:] if isinstance(size, int)))
    elements = [
        value
        for index, example in enumerate(examples)
        for feature in features
        for value in _values(example, feature, index)
    ]
    if tensor.dtype == "string":
        array = np.empty(len(elements), object)
        array[:] = elements
        return array.reshape(shape)
    try:
        return _numbers(elements, tensor.dtype).reshape(shape)
    except OverflowError as error:
        raise Invalid(f"a feature's value does not fit {tensor.dtype}", field="examples") from error


def _numbers(elements: list[Any], dtype: str) -> Array:
    """Return an array; raises OverflowError for a number that is none of this dtype."""
    if np.dtype(dtype).kind != "f":
        if dtype == "bool" and not {0, 1}.issuperset(elements):
            raise OverflowError
        return np.array(elements, dtype)
    with np.errstate(over="ignore"):
        wide = np.array(elements, np.float64)
        array: Array = wide.astype(dtype)
    if bool((np.isinf(array) & np.isfinite(wide)).any()):
        raise OverflowError
    return array


def _values(example: Example, feature: ExampleFeature, index: int) -> Iterator[Any]:
    """Return the values of a feature, in TensorFlow Serving's words if they are not what it has to have."""
    values, name, type_name = example.get(feature.name), feature.name, _TYPE_NAMES[feature.kind]
    if not values:
        raise Invalid(
            f"Name: <unknown>, Feature: {name} (data type: {type_name}) is required but could not be found.",
            field=_where(index, name),
        )
    if len(values) != feature.size:
        raise Invalid(
            f"Name: <unknown>, Key: {name}, Index: {index}.  Number of {type_name} values != expected.  "
            f"values size: {len(values)} but output shape: {list(feature.shape)}",
            field=_where(index, name),
        )
    for value in values:
        if not isinstance(value, _TYPES[feature.kind]):
            raise Invalid(
                f"Name: <unknown>, Key: {name}, Index: {index}.  Data types don't match. "
                f"Expected type: {type_name}",
                field=_where(index, name),
            )
        yield _decoded(value, index, name) if isinstance(value, dict) else value


def _decoded(value: dict[str, Any], index: int, name: str) -> Any:
    assert is_base64(value)
    try:
        return to_array(value, "string").item()
    except MisfitError as error:
        raise Invalid(error.text, field=_where(index, name)) from error


def _where(index: int, name: str) -> str:
    return f"examples[{index}].{quoted(name)}"

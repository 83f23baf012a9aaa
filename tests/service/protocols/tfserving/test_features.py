import io
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.bundle import ExampleFeature, Examples, ImageInput, Signature, Tensor
from service.errors import Invalid, ServiceError, TooLarge
from service.protocols.tfserving.features import FeatureReader

NUMBERS = (ExampleFeature(name="length"), ExampleFeature(name="width"))


def png(grey: int, size: tuple[int, int] = (4, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, grey).save(buffer, "PNG")
    return buffer.getvalue()


def signature(dtype: str, *shape: int) -> Signature:
    x = Tensor.model_validate({"name": "x", "dtype": dtype, "shape": ("batch", *shape)})
    return Signature(file="model.onnx", saved_model_signature="", inputs=(x,), outputs=())


async def array(
    rows: list[Any], *features: ExampleFeature, dtype: str = "float32", shape: tuple[int, ...] = (2,)
) -> Any:
    declared = Examples(method="regress", signature="s", inputs={"x": features or NUMBERS}, output="y")
    reader = FeatureReader(max_bytes=4096)
    found = await reader.arrays(rows, declared, signature(dtype, *shape), time.monotonic() + 5)
    assert list(found) == ["x"]
    return found["x"]


async def test_features_are_taken_by_name_and_others_ignored() -> None:
    rows = await array([{"width": [2], "length": [1.5], "other": ["x"]}, {"length": [3], "width": [4.0]}])
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1.5, 2], [3, 4]]


async def test_a_feature_may_have_several_numbers_and_they_fill_a_row_one_after_the_other() -> None:
    features = (ExampleFeature(name="corner", shape=(2, 2)), ExampleFeature(name="weight", shape=(2,)))
    rows = await array([{"corner": [1, 2, 3, 4], "weight": [5, 6]}], *features, shape=(3, 2))
    assert rows.tolist() == [[[1, 2], [3, 4], [5, 6]]]


async def test_integers_texts_and_truths_have_their_own_dtypes() -> None:
    count = ExampleFeature(name="n", kind="int64")
    assert (await array([{"n": [-(2**63)]}], count, dtype="int64", shape=())).tolist() == [-(2**63)]
    assert (await array([{"n": [1]}], count, dtype="bool", shape=())).tolist() == [True]
    text = ExampleFeature(name="t", kind="bytes", shape=(3,))
    given = {"t": ["a", b"b", {"b64": "Yw=="}]}
    assert (await array([given], text, dtype="string", shape=(3,))).tolist() == [["a", b"b", b"c"]]


async def test_pictures_are_decoded() -> None:
    image = ExampleFeature(
        name="p", kind="bytes", image=ImageInput(height=4, width=4, channels=1, scale=1 / 255)
    )
    rows = await array([{"p": [png(255)]}, {"p": [png(0, (8, 8))]}], image, shape=(4, 4, 1))
    assert rows.shape == (2, 4, 4, 1)
    assert rows.max(axis=(1, 2, 3)).tolist() == [1.0, 0.0]
    with pytest.raises(Invalid) as caught:
        await array([{"p": [png(1)]}, {"p": [b"no"]}], image, shape=(4, 4, 1))
    assert caught.value.field == "examples[1].p"
    with pytest.raises(Invalid):
        await array([{"p": ["\ud800"]}], image, shape=(4, 4, 1))
    with pytest.raises(TooLarge, match="pictures are larger than 4096 bytes"):
        await array([{"p": [png(1)]}] * 65, image, shape=(4, 4, 1))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"length": [1.0]}, "Feature: width (data type: float) is required but could not be found."),
        ({"length": [1.0], "width": []}, "Feature: width (data type: float) is required"),
        ({"length": [1.0], "width": [1.0, 2.0]}, "values size: 2 but output shape: []"),
        ({"length": [1.0], "width": ["x"]}, "Data types don't match. Expected type: float"),
        ({"length": [1.0], "width": [{"b64": "eA=="}]}, "Data types don't match. Expected type: float"),
        ({"length": [1.0], "width": [1e39]}, "a feature's value does not fit float32"),
        ({"length": [1.0], "width": [10**400]}, "a feature's value does not fit float32"),
    ],
)
async def test_a_feature_that_is_not_what_it_has_to_be_is_refused_in_their_words(row: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        await array([row])
    assert text in caught.value.message


@pytest.mark.parametrize(
    ("kind", "dtype", "value"),
    [("int64", "int8", 128), ("int64", "uint8", -1), ("int64", "bool", 2), ("int64", "int64", 2**63)],
)
async def test_an_integer_that_does_not_fit_is_refused(kind: Any, dtype: str, value: int) -> None:
    with pytest.raises(Invalid, match=f"does not fit {dtype}"):
        await array([{"n": [value]}], ExampleFeature(name="n", kind=kind), dtype=dtype, shape=())
    with pytest.raises(Invalid, match="Expected type: int64"):
        await array([{"n": [1.0]}], ExampleFeature(name="n", kind=kind), dtype=dtype, shape=())


@given(
    st.dictionaries(
        st.sampled_from(("length", "width")),
        st.lists(st.floats() | st.integers() | st.text() | st.booleans(), max_size=2),
    )
)
async def test_any_features_are_a_row_or_refused(row: Any) -> None:
    try:
        rows = await array([row])
    except ServiceError:
        return
    assert rows.shape == (1, 2)

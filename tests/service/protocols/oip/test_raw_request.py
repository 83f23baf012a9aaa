import numpy as np
import pytest

from service.bundle import Manifest, Tensor
from service.errors import Invalid
from service.protocols.oip import raw_request
from tests.support.gateway import manifest


def takes(*tensors: Tensor) -> Manifest:
    """Return the manifest of a model with these inputs."""
    made = manifest()
    signature = made.default.model_copy(update={"inputs": tensors})
    return made.model_copy(update={"signatures": {"serving_default": signature}})


def test_one_free_axis_follows_from_the_length() -> None:
    model = takes(Tensor(name="ids", dtype="int32", shape=("batch", "time")))
    asked = raw_request.decode(np.array([1, 2, 3], np.int32).tobytes(), model)
    assert asked.inputs["ids"].tolist() == [[1, 2, 3]]
    assert asked.binary
    with pytest.raises(Invalid, match="5 bytes are not a multiple of 4"):
        raw_request.decode(b"12345", model)


def test_a_text_is_the_body_itself() -> None:
    model = takes(Tensor(name="words", dtype="string", shape=("batch",)))
    assert raw_request.decode(b"hello", model).inputs["words"].tolist() == [b"hello"]
    with pytest.raises(Invalid, match="must have input shape"):
        raw_request.decode(b"hello", takes(Tensor(name="words", dtype="string", shape=("batch", 2))))


def test_what_cannot_be_deduced_is_refused() -> None:
    x = Tensor(name="x", dtype="float32", shape=("a", "b"))
    with pytest.raises(Invalid, match="at most one variable dimension"):
        raw_request.decode(bytes(4), takes(x))
    with pytest.raises(Invalid, match="must only have 1 input"):
        raw_request.decode(bytes(4), takes(x, x))
    with pytest.raises(Invalid, match="not a multiple"):
        raw_request.decode(bytes(4), takes(Tensor(name="x", dtype="float32", shape=("batch", "a", 0))))

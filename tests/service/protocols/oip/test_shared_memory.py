"""Regions, over files of a directory of our own that stands in for shared memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb import oip_pb2 as pb
from service.config import Oip
from service.errors import Forbidden, Invalid, NotFound, Overloaded, ServiceError, TooLarge
from service.protocols.oip import bodies, messages
from service.protocols.oip.intake import Intake
from service.protocols.oip.shared_memory import SharedMemory

X = np.arange(8, dtype=np.float32)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SharedMemory]:
    (tmp_path / "sluice_a").write_bytes(X.tobytes() + bytes(32))
    settings = Oip(shared_memory=True, shared_memory_regions=2)
    memory = SharedMemory(settings, max_request_bytes=48, directory=tmp_path)
    yield memory
    memory.unregister("")


def asked(**parameters: object) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [8], "parameters": {**parameters}}
    return orjson.dumps({"inputs": [tensor]})


def test_a_tensor_is_read_from_its_place(memory: SharedMemory) -> None:
    memory.register("r", "/sluice_a", 8, 40)
    body = asked(shared_memory_region="r", shared_memory_byte_size=32, shared_memory_offset=8)
    found = bodies.decode(body, None, Intake(memory)).inputs["x"]
    assert found.tolist() == [4, 5, 6, 7, 0, 0, 0, 0]


def test_over_grpc_raw_contents_are_those_of_the_other_inputs(memory: SharedMemory) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    message = pb.ModelInferRequest(raw_input_contents=[b"\x01\x00"])
    message.inputs.add(name="x", datatype="FP32", shape=[8])
    message.inputs[0].parameters["shared_memory_region"].string_param = "r"
    message.inputs[0].parameters["shared_memory_byte_size"].int64_param = 32
    message.inputs.add(name="flag", datatype="BOOL", shape=[2])
    inputs = messages.decode(message, Intake(memory)).inputs
    assert inputs["x"].tolist() == X.tolist()
    assert inputs["flag"].tolist() == [True, False]
    message.raw_input_contents.append(b"")
    with pytest.raises(Invalid, match="expected 1 raw_input_contents"):
        messages.decode(message, Intake(memory))
    message.inputs[0].contents.fp32_contents.append(1)
    del message.raw_input_contents[:]
    with pytest.raises(Invalid, match="contents field must not be specified when using shared_memory_region"):
        messages.decode(message, Intake(memory))


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (("r", "/sluice_a", 0, 65), Invalid),
        (("r", "/sluice_a", 64, 1), Invalid),
        (("r", "/sluice_a", 2**63 - 1, 1), Invalid),
        (("r", "/sluice_a", 2**64 - 1, 2**64 - 1), Invalid),
        (("r", "/sluice_a", 1, 2**63 - 1), Invalid),
        (("r", "/sluice_a", 0, 0), Invalid),
        (("r", "/sluice_a", -1, 8), Invalid),
        (("r", "/sluice_none", 0, 8), Invalid),
        (("r", "sluice_directory", 0, 8), Invalid),
        (("r", "sluice_link", 0, 8), Invalid),
        (("r", "sluice_pipe", 0, 8), Invalid),
        (("r", "/../sluice_a", 0, 8), Invalid),
        (("r", "sluice_/../sluice_a", 0, 8), Invalid),
        (("r", "//sluice_a", 0, 8), Invalid),
        (("r", "sluice_a\0", 0, 8), Invalid),
        (("r", "..", 0, 8), Invalid),
        (("r", "", 0, 8), Invalid),
        (("r", "sluice_" + "a" * 300, 0, 8), Invalid),
        (("r", "/other", 0, 8), Forbidden),
        (("", "/sluice_a", 0, 8), Invalid),
        (("a/b", "/sluice_a", 0, 8), Invalid),
        (("a\n", "/sluice_a", 0, 8), Invalid),
        (("r" * 129, "/sluice_a", 0, 8), Invalid),
    ],
)
def test_what_may_not_be_registered_is_refused_without_its_key(
    memory: SharedMemory, tmp_path: Path, asked: tuple[str, str, int, int], error: type
) -> None:
    key = asked[1]
    (tmp_path / "other").write_bytes(bytes(64))
    (tmp_path / "sluice_directory").mkdir()
    (tmp_path / "sluice_link").symlink_to(tmp_path / "other")
    os.mkfifo(tmp_path / "sluice_pipe")
    with pytest.raises(error) as refused:
        memory.register(*asked)
    assert len(key) < 3 or key not in str(refused.value)
    assert memory.regions() == []


def test_what_belongs_to_others_is_never_opened(tmp_path: Path) -> None:
    memory = SharedMemory(Oip(shared_memory_prefix=""), 64, tmp_path)
    for key in ("sem.mine", "triton_python_backend_shm_region_1"):
        (tmp_path / key).write_bytes(bytes(8))
        with pytest.raises(Forbidden):
            memory.register("r", key, 0, 8)
    (tmp_path / "mine").write_bytes(bytes(8))
    memory.register("r", "/mine", 0, 8)
    memory.unregister("")


def test_registration_is_bounded_and_undone(memory: SharedMemory) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    memory.register("a", "/sluice_a", 0, 8)
    with pytest.raises(Invalid, match="already in manager"):
        memory.register("a", "/sluice_a", 0, 8)
    memory.register("b", "/sluice_a", 0, 8)
    with pytest.raises(Overloaded):
        memory.register("c", "/sluice_a", 0, 8)
    assert [each.name for each in memory.regions()] == ["a", "b"]
    memory.unregister("a")
    memory.unregister("nothing")
    with pytest.raises(NotFound):
        memory.regions("a")
    memory.unregister("")
    assert memory.regions() == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"shared_memory_region": "none", "shared_memory_byte_size": 32}, NotFound),
        ({"shared_memory_region": 5, "shared_memory_byte_size": 32}, Invalid),
        ({"shared_memory_region": "r"}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 16}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 65}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": -1}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 2**64 - 1}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 32, "shared_memory_offset": 33}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 32, "shared_memory_offset": True}, Invalid),
        (
            {"shared_memory_region": "r", "shared_memory_byte_size": 1, "shared_memory_offset": 2**63 - 1},
            Invalid,
        ),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 32, "binary_data_size": 32}, Invalid),
        ({"shared_memory_region": "r", "shared_memory_byte_size": 49}, TooLarge),
    ],
)
def test_a_tensor_beyond_its_region_is_refused(
    memory: SharedMemory, parameters: dict[str, object], error: type
) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    with pytest.raises(error):
        bodies.decode(asked(**parameters), None, Intake(memory))


def test_all_inputs_of_a_request_share_one_bound(memory: SharedMemory) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    tensor = {
        "datatype": "FP32",
        "shape": [8],
        "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 32},
    }
    body = orjson.dumps({"inputs": [{**tensor, "name": "a"}, {**tensor, "name": "b"}]})
    with pytest.raises(TooLarge, match="input 'b'"):
        bodies.decode(body, None, Intake(memory))


def test_a_region_may_shrink_grow_and_vanish_while_it_is_used(memory: SharedMemory, tmp_path: Path) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    body = asked(shared_memory_region="r", shared_memory_byte_size=32)
    place = memory.region("r").place(32, 32)
    os.truncate(tmp_path / "sluice_a", 20)
    with pytest.raises(Invalid, match="smaller than it was"):
        bodies.decode(body, None, Intake(memory))
    with pytest.raises(Invalid, match="smaller than it was"):
        place.write("y", bytes(8))
    assert (tmp_path / "sluice_a").stat().st_size == 20
    os.truncate(tmp_path / "sluice_a", 64)
    (tmp_path / "sluice_a").unlink()
    place.write("y", X[:2].tobytes())
    found = bodies.decode(
        asked(shared_memory_region="r", shared_memory_byte_size=32, shared_memory_offset=32),
        None,
        Intake(memory),
    ).inputs["x"]
    assert found.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_a_region_that_is_unregistered_meanwhile_is_not_written(memory: SharedMemory, tmp_path: Path) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    place = memory.region("r").place(0, 32)
    memory.unregister("r")
    memory.register("r", "/sluice_a", 0, 64)
    with pytest.raises(Invalid, match="unregistered while the request ran"):
        place.write("y", bytes(32))
    assert (tmp_path / "sluice_a").read_bytes()[:32] == X.tobytes()


def test_an_output_beyond_its_place_is_refused(memory: SharedMemory, tmp_path: Path) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    place = memory.region("r").place(60, 4)
    with pytest.raises(Invalid, match="should be at least 8 bytes"):
        place.write("y", bytes(8))
    place.write("y", b"abcd")
    assert (tmp_path / "sluice_a").read_bytes()[60:] == b"abcd"


def test_an_output_is_placed_or_classified_not_both(memory: SharedMemory) -> None:
    memory.register("r", "/sluice_a", 0, 64)
    parameters = {"shared_memory_region": "r", "shared_memory_byte_size": 8, "classification": 1}
    with pytest.raises(Invalid, match="classification"):
        Intake(memory).place_of("y", parameters)
    with pytest.raises(Invalid, match="not enabled"):
        Intake().place_of("y", parameters | {"classification": 0})


@given(st.text(), st.text(), st.integers(), st.integers())
def test_no_key_leads_out_of_the_directory(
    tmp_path_factory: pytest.TempPathFactory, name: str, key: str, offset: int, byte_size: int
) -> None:
    memory = SharedMemory(Oip(shared_memory_prefix=""), 64, tmp_path_factory.getbasetemp() / "empty")
    with pytest.raises(ServiceError):
        memory.register(name, key, offset, byte_size)

"""Few shapes at fixed addresses: which run is recorded, under which number, and what it may not look at."""

import asyncio

import numpy as np
import pytest

from service.domain import Array, Sampling, Tensors
from service.engine import buckets
from service.engine.buckets import BucketedSteps, bucket_of, key_of, widened
from service.engine.contracts import Prompt
from service.engine.device import NOT_RECORDED, Resident
from service.engine.generator import GenerationLimits, Generator
from service.engine.resident import ResidentState
from tests.service.engine.step_models import ATTENTION, ATTENTION_SIGNATURE, attention
from tests.support.fake_device import FakeDevice


def doubled(feeds: Tensors) -> Tensors:
    return {"logits": feeds["ids"] * 2.0, "state_out": feeds["state"] + 1}


def steps(device: FakeDevice, ids: list[list[int]], state: Resident | Array) -> tuple[list[Array], object]:
    arrays, held = device_steps(device).run_held(
        {"ids": np.array(ids, np.int32), "state": state}, ["logits"], ["state_out"]
    )
    return arrays, held


def device_steps(device: FakeDevice) -> BucketedSteps:
    if not hasattr(device, "steps"):
        device.steps = BucketedSteps(device, "ids")  # type: ignore[attr-defined]
    return device.steps  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(("rows", "bucket"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (17, 32), (32, 32)])
def test_a_bucket_is_the_next_power_of_two(rows: int, bucket: int) -> None:
    assert bucket_of(rows) == bucket


def test_rows_that_fill_a_bucket_repeat_the_last_and_are_not_answered() -> None:
    assert widened(np.array([[1], [7]]), 4).tolist() == [[1], [7], [7], [7]]  # type: ignore[union-attr]
    device = FakeDevice(doubled)
    state = device.allocate((8, 2), "float32")
    for _ in range(2):
        (logits,), _ = steps(device, [[1], [2], [3]], state.rows(0, 3))
        assert logits.tolist() == [[2.0], [4.0], [6.0]]
    assert device.batch_sizes == [4, 4]


def test_the_key_tells_shape_dtype_and_address_apart() -> None:
    device = FakeDevice(doubled)
    ids, state = np.zeros((2, 1), np.int32), device.allocate((4, 2), "float32")
    keys = {
        key_of({"ids": ids, "state": state}),
        key_of({"ids": ids, "state": state.rows(2, 2)}),
        key_of({"ids": ids, "state": state.rows(0, 2)}),
        key_of({"ids": ids, "state": device.allocate((4, 2), "float32")}),
        key_of({"ids": ids.astype(np.int64), "state": state}),
        key_of({"ids": np.zeros((4, 1), np.int32), "state": state}),
    }
    assert len(keys) == 6
    assert key_of({"state": state, "ids": ids + 1}) in keys


def test_the_first_run_of_a_shape_is_looked_at_and_the_others_share_a_number() -> None:
    device = FakeDevice(doubled)
    state = device.allocate((8, 2), "float32")
    for rows in (1, 1, 1, 3, 4, 3, 1):
        steps(device, [[1]] * rows, state.rows(0, rows))
    assert device.graph_ids == [NOT_RECORDED, 1, 1, NOT_RECORDED, 2, 2, 1]
    assert device.sent == [set()] * 7


def test_what_is_read_in_chunks_or_has_no_past_is_never_recorded() -> None:
    device = FakeDevice(doubled)
    state = device.allocate((8, 2), "float32")
    for _ in range(3):
        steps(device, [[1, 2]], state.rows(0, 1))
        steps(device, [[1]], np.zeros((1, 0), np.float32))
        # There are no rows behind these to fill a bucket with.
        steps(device, [[1]] * 3, state.rows(5, 3))
    assert set(device.graph_ids) == {NOT_RECORDED}
    assert device.batch_sizes == [1, 1, 3] * 3


def test_a_device_that_does_not_record_runs_in_buckets_all_the_same() -> None:
    device = FakeDevice(doubled, records=False)
    state = device.allocate((8, 2), "float32")
    for _ in range(3):
        steps(device, [[1]] * 3, state.rows(0, 3))
    assert (device.batch_sizes, set(device.graph_ids)) == ([4, 4, 4], {NOT_RECORDED})


def test_what_cannot_be_recorded_is_run() -> None:
    device = FakeDevice(doubled)
    state = device.allocate((8, 2), "float32")
    device.fail_recorded = RuntimeError("the capture was disturbed")
    for _ in range(3):
        (logits,), _ = steps(device, [[5]], state.rows(0, 1))
        assert logits.tolist() == [[10.0]]
    assert device.graph_ids == [NOT_RECORDED, 1, NOT_RECORDED, NOT_RECORDED]
    assert device.forgotten == [1]


def test_a_model_that_fails_fails_and_is_asked_again_only_without_a_graph() -> None:
    device = FakeDevice(doubled, records=False)
    state = device.allocate((8, 2), "float32")
    steps(device, [[5]], state.rows(0, 1))
    device.fail = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        steps(device, [[5]], state.rows(0, 1))
    assert len(device.graph_ids) == 2


def test_the_shape_that_was_not_used_longest_is_forgotten_with_its_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "MOST_BUCKETS", 2)
    device = FakeDevice(doubled)
    state = device.allocate((8, 2), "float32")
    for rows in (1, 2, 1, 4, 1, 2, 2):
        steps(device, [[1]] * rows, state.rows(0, rows))
    assert device.forgotten == [2, 3]
    assert device.graph_ids[-2:] == [NOT_RECORDED, 4]


async def test_a_generation_sends_nothing_but_its_prompt_and_replays_one_graph_a_shape() -> None:
    device = FakeDevice(attention)
    limits = GenerationLimits(slots=4, inline_bound_s=60.0)
    generator = Generator(device, ATTENTION, ATTENTION_SIGNATURE, limits, end_id=None)
    deadline_at_s = asyncio.get_running_loop().time() + 20
    prompt = Prompt((1, 2), {"source": np.array([3], np.float32)})
    stream = generator.stream(prompt, Sampling(temperature=0.0), 60, deadline_at_s)
    assert len([token async for token in stream]) == 60
    # The first token has no past. Then the room is 32, and later 64: one look at each shape, the rest recorded.
    recorded = [graph_id for graph_id in device.graph_ids if graph_id != NOT_RECORDED]
    assert recorded == sorted(recorded)
    assert set(recorded) == {1, 2}
    assert len(device.graph_ids) - len(recorded) == 3
    assert all(not names for names in device.sent[1:])
    state = generator._step.state
    assert isinstance(state, ResidentState)
    assert [table.memory.fetched for table in state._tables.values()] == [0]  # type: ignore[attr-defined]
